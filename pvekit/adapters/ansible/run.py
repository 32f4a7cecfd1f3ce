"""Runs one playbook through ansible-runner."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvekit.adapters.ansible.result import Collector, ProvisionResult, last_words
from pvekit.adapters.ansible.secrets import Redactor, variables_pipe
from pvekit.adapters.ansible.settings import environment, private_folder
from pvekit.model.errors import Interrupted, ProvisionFailed
from pvekit.model.event import Emit, silent
from pvekit.model.inventory import Inventory, static_document

_GRACE_SECONDS = 5.0


def run(
    playbook: Path,
    inventory: Inventory,
    *,
    extra_vars: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    on_event: Emit = silent,
    cancel: threading.Event | None = None,
    forks: int = 10,
    timeout: float | None = None,
    own_config: bool = False,
) -> ProvisionResult:
    """Run ``playbook`` on all hosts of ``inventory`` and return how it ended, host by host.

    ``secrets`` become variables like ``extra_vars``, but are never templated and are struck out of every message. A
    host that fails is a value in the result. ``on_event`` is called from another thread. ``timeout`` is in seconds,
    for the whole run. ``own_config`` lets the person's ansible.cfg and ANSIBLE_ variables take part.

    Raises ProvisionFailed when the run cannot start (missing or wrong playbook, no hosts) or takes too long, and
    Interrupted after ``cancel`` was set or Ctrl-C was pressed and Ansible has ended. What a guest is doing at that
    moment it brings to its end: half an installation of a package would be worse.
    """
    if not inventory.hosts:
        raise ProvisionFailed("there is no host to run it on", where=str(playbook), hint="Start the VMs: pvekit up.")
    if not playbook.is_file():
        raise ProvisionFailed("there is no such playbook", where=str(playbook), hint="Check the path in the stack.")
    stop = _Stop(cancel or threading.Event())
    collector = Collector(on_event, Redactor(secrets or {}))
    with private_folder() as folder, variables_pipe(folder, extra_vars or {}, secrets or {}) as variables:
        (folder / "inventory" / "hosts.json").write_text(json.dumps(static_document(inventory)))
        with _mapped(playbook, collector.redact):
            runner = _prepare(playbook, folder, variables, collector, stop, own_config=own_config, forks=forks)
            _run_aside(runner, stop, timeout)
    return _ending(runner.rc, playbook, collector, stop)


@dataclass(slots=True)
class _Stop:
    """Ends Ansible: politely first, so that its workers and modules end too, then by force through ansible-runner."""

    wanted: threading.Event
    late: bool = False
    pid: int | None = None
    _asked: float | None = None

    def __call__(self) -> bool:
        """Answer ansible-runner's question whether to kill; ask Ansible itself to end the first time."""
        if not (self.wanted.is_set() or self.late):
            return False
        if self._asked is None:
            self._asked = time.monotonic()
            if self.pid is None:
                return True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        return time.monotonic() - self._asked > _GRACE_SECONDS


def _prepare(
    playbook: Path, folder: Path, variables: Path, collector: Collector, stop: _Stop, *, own_config: bool, forks: int
) -> Any:
    """Return ansible-runner's Runner, with our command and our environment instead of those it worked out."""
    from ansible_runner.interface import init_runner  # 0.15 s, for runs only

    def take(event: Mapping[str, Any]) -> bool:
        kept = collector.take(event)
        stop.pid = collector.pid
        return kept

    runner = init_runner(
        private_data_dir=str(folder),
        project_dir=str(playbook.parent.resolve()),
        playbook=str(playbook.resolve()),
        inventory=str(folder / "inventory" / "hosts.json"),
        event_handler=take,
        cancel_callback=stop,
        suppress_env_files=True,
        quiet=True,
    )
    runner.config.command = [
        *(sys.executable, "-m", "ansible", "playbook"),
        *("--inventory", str(folder / "inventory" / "hosts.json")),
        *("--extra-vars", f"@{variables}"),
        str(playbook.resolve()),
    ]
    runner.config.env = environment(folder, runner.config.env, own_config=own_config, forks=forks)
    return runner


def _run_aside(runner: Any, stop: _Stop, timeout: float | None) -> None:
    """Run in a thread of its own: Ctrl-C then arrives here, and Ansible is ended instead of left behind."""
    failure: list[BaseException] = []

    def work() -> None:
        try:
            runner.run()
        except BaseException as error:  # noqa: BLE001 - carried to the calling thread and raised there
            failure.append(error)

    thread = threading.Thread(target=work, name="ansible-runner")
    end = None if timeout is None else time.monotonic() + timeout
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.2)
            stop.late = stop.late or (end is not None and time.monotonic() > end)
    except KeyboardInterrupt:
        stop.wanted.set()
        thread.join()
    if failure:
        raise failure[0]


def _ending(rc: int, playbook: Path, collector: Collector, stop: _Stop) -> ProvisionResult:
    """Return the result, or raise when the run did not get as far as having one."""
    if stop.wanted.is_set():
        raise Interrupted(
            "the playbook was stopped", where=str(playbook), hint="Run the same command again: it goes on from there."
        )
    if stop.late:
        raise ProvisionFailed("the playbook took too long", where=str(playbook), hint="Look at the guest's load.")
    result = collector.result()
    if result.ok and (rc != 0 or not result.stats):
        raise ProvisionFailed(
            f"the playbook did not run: {last_words(collector.lines) or f'ansible ended with {rc}'}",
            where=str(playbook),
            hint=f"Try: ansible-playbook --syntax-check {playbook}",
        )
    return result


@contextlib.contextmanager
def _mapped(playbook: Path, redact: Redactor) -> Iterator[None]:
    """Turn ansible-runner's own errors into ours."""
    from ansible_runner.exceptions import AnsibleRunnerException

    try:
        yield
    except (AnsibleRunnerException, OSError, ValueError) as error:
        raise ProvisionFailed(
            f"ansible-runner failed: {redact(str(error))}", where=str(playbook), hint="Run pvekit doctor env."
        ) from error
