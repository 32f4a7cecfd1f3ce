"""A fork server for `pvekit up`: imports everything once, then forks a child for every run.

    python -m tests.chaos.runner

Reads one JSON order per line, answers one JSON line. An order names the stack file and may say at which request the
child dies. The child is pvekit as it is, but for SSH and Ansible, which hollow guests do not have.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from pvekit import guests
from pvekit.adapters import ansible
from pvekit.adapters import pve as api
from pvekit.adapters.ansible import ProvisionResult
from pvekit.adapters.pve import tasks, transport
from pvekit.model.errors import PvekitError
from pvekit.provision.apply import ready
from pvekit.workflows.planning import make_plan
from pvekit.workflows.session import open_session
from pvekit.workflows.up import Report, carry_out

KILLED = 86


class Hasty(threading.Event):
    """An event whose waiting is shorter by a factor."""

    pace = 1.0

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(None if timeout is None else timeout * self.pace)


def no_ssh(*_: Any, **__: Any) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


def play(*_: Any, **__: Any) -> ProvisionResult:
    return ProvisionResult((), {})


class Wire:
    """Stands before every exchange with the server: writes it down, and ends the process where it was told to.

    That is before or after request number ``at``, or the first that is called ``like``. With ``stop`` for ``when``
    it does not end the process but asks the run to stop, as Ctrl-C does.
    """

    def __init__(self, answer: int, *, at: int = 0, like: str = "", when: str = "") -> None:
        self.answer, self.at, self.like, self.when = answer, at, like, when
        self.sent: list[str] = []
        self.stop = Hasty()
        self._lock = threading.Lock()
        self._real = transport.Pool.request

    def __call__(self, pool: Any, method: str, target: str, *rest: Any) -> Any:
        name = f"{method} {short(target)}"
        with self._lock:
            self.sent.append(name)
            mine = len(self.sent) == self.at or name == self.like
            if mine and self.when == "before":
                self.die(name)
            if mine and self.when == "stop":
                self.stop.set()
        try:
            return self._real(pool, method, target, *rest)
        finally:
            if mine and self.when == "after":
                self.die(name)

    def die(self, name: str) -> None:
        os.write(self.answer, json.dumps({"killed": name}).encode())
        os._exit(KILLED)


def short(target: str) -> str:
    """Return a request's path without the parts that differ between runs."""
    path = target.removeprefix("/api2/json")
    path = re.sub(r"UPID:(?:[^/:]*:){4}(\w+):[^/]*", r"UPID:\1", path)
    path = re.sub(r"iso/pvekit\.[^/]*", "iso/SEED", path)
    return re.sub(r"/qemu/\d+", "/qemu/N", path)


def up(order: dict[str, Any], wire: Wire) -> dict[str, Any]:
    """Do one `up` and say how it went."""
    transport.Pool.request = lambda *args: wire(*args)  # type: ignore[method-assign]
    found: dict[str, Any] = {"sent": wire.sent, "error": "", "text": "", "left": None, "planned": []}
    try:
        with open_session(Path(order["stack"])) as session:
            planned = make_plan(session, restart=bool(order.get("restart")))
            found["planned"] = [action.id for action in planned.plan.actions]
            if not planned.plan.empty:
                report = carry_out(session, planned, lambda _event: None, stop=wire.stop)
                found |= ended(report)
    except PvekitError as error:
        found |= {"error": type(error).__name__, "text": f"{error}\nhint: {error.hint}"}
    return found


def ended(report: Report) -> dict[str, Any]:
    left = None if report.left is None else [action.id for action in report.left.actions]
    error = report.error
    text = "" if error is None else f"{error}\nhint: {error.hint}"
    return {"left": left, "error": "" if error is None else type(error).__name__, "text": text}


def hurry(pace: float) -> None:
    """Make all pauses shorter by a factor."""
    Hasty.pace = pace
    pause = time.sleep

    def sleep(seconds: float) -> None:
        pause(seconds * pace)

    time.sleep = sleep  # type: ignore[assignment]
    tasks.SHORTEST, tasks.LONGEST = 0.1 * pace, 1.0 * pace
    tasks.GRACE, tasks.PATIENCE = 5.0 * pace, 60.0 * pace


def child(order: dict[str, Any], answer: int) -> None:
    """Run in the forked process; never returns. The watchdog's signal makes it say where every thread stands."""
    faulthandler.enable()
    setattr(ready, "wait_ssh", no_ssh)  # noqa: B010 - mypy sees that it is not the same
    ansible.run = play
    hurry(float(order.get("pace", 1.0)))
    wire = Wire(answer, at=order.get("at", 0), like=order.get("like", ""), when=order.get("when", ""))
    try:
        found = up(order, wire)
    except BaseException:  # noqa: BLE001 - whatever else comes out of it is what these tests look for
        found = {"broken": traceback.format_exc()}
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        json.dump(found, stream)
    os._exit(0)


def one(order: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait, and return what the child said; ``killed`` if it died as told, ``hung`` if it did not end."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            child(order, writer)
        finally:
            os._exit(1)
    os.close(writer)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGABRT))
    signal.alarm(int(order.get("limit", 60)))
    with os.fdopen(reader, encoding="utf-8") as stream:
        text = stream.read()
    _, status = os.waitpid(pid, 0)
    signal.alarm(0)
    code = os.waitstatus_to_exitcode(status)
    found: dict[str, Any] = json.loads(text) if text else {"broken": f"ended with {code}: it hung, or worse"}
    return found


def load() -> None:
    """Load what pvekit loads when it is first needed: once here instead of in every child."""
    guests.kinds()
    for name in ("facts", "uncertain", "vms", "storage", "agent"):
        importlib.import_module(f"{api.__name__}.{name}")
    for name in ("pvekit.guests.debian", "pycdlib", "yaml.scanner", "encodings.utf_16_be"):
        importlib.import_module(name)


def main() -> None:
    assert threading.active_count() == 1
    load()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(one(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
