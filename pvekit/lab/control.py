"""Starts and stops the embedded node from outside: what ``pvekit lab start|stop|status|reset`` does."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any

from pvekit.model.errors import LabError

START_TIMEOUT = 30.0
STOP_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Running:
    """A node that answers; ``token_secret`` and ``password`` never go into a log."""

    endpoint: str
    fingerprint: str
    token_id: str
    token_secret: str = field(repr=False)
    pid: int
    password: str = field(repr=False)
    hollow: bool = False


def status(state: Path) -> Running | None:
    """Return the node that runs on this state folder, None if none does."""
    facts = _read(state / "daemon.json")
    known = _read(state / "secrets.json")
    if facts is None or known is None or not _is_ours(int(facts["pid"]), state):
        return None
    return Running(
        endpoint=f"https://127.0.0.1:{facts['port']}",
        fingerprint=facts["fingerprint"],
        token_id=known["token_id"],
        token_secret=known["token_secret"],
        pid=int(facts["pid"]),
        password=known["password"],
        hollow=bool(facts.get("hollow")),
    )


def start(
    state: Path,
    port: int = 0,
    *,
    hollow: bool = False,
    latency_ms: float = 0.0,
    delays: str = "",
    cpus: int = 0,
    memory_mib: int = 0,
    nodes: tuple[str, ...] = (),
    pci: Path | None = None,
    boot_seconds: float = 0.0,
) -> Running:
    """Start the node in the background and return when it answers; one that runs already is left as it is.

    LabError if it does not answer within half a minute.
    """
    running = status(state)
    if running is not None and _answers(running):
        return running
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    argv = [sys.executable, "-m", "pvekit.lab.daemon", "--state", str(state), "--port", str(port)]
    argv += ["--hollow"] if hollow else []
    argv += ["--latency", str(latency_ms)] if latency_ms else []
    argv += ["--delay", delays] if delays else []
    argv += ["--cpus", str(cpus)] if cpus else []
    argv += ["--memory", str(memory_mib)] if memory_mib else []
    argv += ["--pci", str(pci)] if pci else []
    argv += ["--boot-seconds", str(boot_seconds)] if boot_seconds else []
    for node in nodes:
        argv += ["--node", node]
    log = state / "daemon.log"
    with log.open("ab") as stream:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, cwd="/",
            env=_environment(),
        )  # fmt: skip
    return _await_answer(state, process, log)


def _environment() -> dict[str, str]:
    """Return the environment with this package findable, whatever the working folder."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _await_answer(state: Path, process: subprocess.Popen[bytes], log: Path) -> Running:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        running = status(state)
        if running is not None and running.pid == process.pid and _answers(running):
            # The node outlives this program: forget the handle without a warning.
            process.returncode = 0
            return running
        if process.poll() is not None:
            break
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        process.kill()
    process.wait()
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    raise LabError(
        f"the embedded node did not start:\n{tail}",
        where=str(log),
        hint="Read the log; `pvekit lab reset` starts anew.",
    )


def stop(state: Path, *, guests: bool = False) -> bool:
    """Stop the node; guests go on running unless asked. Return whether one ran."""
    running = status(state)
    if guests:
        _stop_guests(state, hollow=running.hollow if running else _was_hollow(state))
    if running is None:
        (state / "daemon.json").unlink(missing_ok=True)
        return False
    _end(running.pid, state)
    (state / "daemon.json").unlink(missing_ok=True)
    return True


def reset(state: Path) -> None:
    """Stop the node and its guests and delete all it knows; LabError for a folder that is no node's state."""
    if not state.exists():
        return
    if not (state / "secrets.json").exists() and any(state.iterdir()):
        raise LabError(
            "this folder does not look like an embedded node's state, so it is not deleted",
            where=str(state),
            hint="Name the state folder of the node, or delete the folder yourself.",
        )
    stop(state, guests=True)
    shutil.rmtree(state)


def _end(pid: int, state: Path) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    while _is_ours(pid, state):
        if time.monotonic() > deadline:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap(pid)
        time.sleep(0.02)


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _stop_guests(state: Path, *, hollow: bool) -> None:
    if hollow:
        for claim in (state / "hollow").glob("*.json"):
            claim.unlink(missing_ok=True)
        return
    from pvekit.lab.qemu.machines import QemuMachines

    machines = QemuMachines(state / "qemu")
    for vmid in list(machines.running()):
        machines.stop(vmid, lambda _line: None)


def _was_hollow(state: Path) -> bool:
    return (state / "hollow").is_dir()


def _is_ours(pid: int, state: Path) -> bool:
    """Return whether the process is a node on this state folder (a pid may have been given to another)."""
    try:
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return b"pvekit.lab.daemon" in argv and os.fsencode(str(state)) in argv


def _answers(running: Running) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # Loopback, and the certificate is compared with the fingerprint that the node itself wrote down.
    context.verify_mode = ssl.CERT_NONE
    port = int(running.endpoint.rpartition(":")[2])
    connection = HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", "/api2/json/access/ticket")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found
