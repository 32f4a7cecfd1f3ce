"""A llama-server of our own on this machine, for as long as a benchmark needs it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pvekit.adapters.llm.openai import Client
from pvekit.adapters.secrets import Secret
from pvekit.model.errors import Conflict, NotFound, PvekitError, TaskFailed

_STOP_SECONDS = 20.0
_LAST = 12


@dataclass(frozen=True)
class Running:
    """A started server. ``log`` holds what it says."""

    process: subprocess.Popen[bytes]
    client: Client
    log: Path

    def tail(self) -> str:
        """Return its last lines, and how it ended where it did."""
        lines = self.log.read_text(errors="replace").splitlines()[-_LAST:]
        code = self.process.poll()
        ended = [] if code is None else [f"llama-server ended with {code}"]
        return "\n".join([*lines, *ended])


@contextmanager
def started(
    command: Sequence[str],
    model: str,
    *,
    slots: int,
    context: int,
    port: int = 0,
    environment: Mapping[str, str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
    wait: float = 600.0,
) -> Iterator[Running]:
    """Start llama-server with a key made at random, give it when it answers, and stop it.

    ``context`` is the tokens of all slots together; ``port`` 0 takes a free one. Raises Conflict when the port is in
    use, NotFound when the program is not there, TaskFailed with its last words when it does not come up.
    """
    if shutil.which(command[0]) is None:
        raise NotFound(f"{command[0]} is not installed", status=0, where="this machine",
                       hint="Install it, or say how it is called: --llama-server COMMAND")  # fmt: skip
    number = _port(port)
    key = secrets.token_hex(16)
    # The kernel ends it when this program is killed, which cannot end it any more then.
    guard = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []
    argv = [*guard, *command, "--model", model, "--host", "127.0.0.1", "--port", str(number), "--metrics"]
    argv += ["--ctx-size", str(context), "--parallel", str(slots)]
    # The key goes through the environment: arguments are seen by everybody.
    variables = {**os.environ, **(environment or {}), "LLAMA_API_KEY": key}
    with tempfile.TemporaryDirectory(prefix="pvekit-bench-") as folder:
        log = Path(folder) / "server.log"
        process = _popen(argv, variables, log)
        client = Client(f"http://127.0.0.1:{number}", Secret(key), where="llama-server here", sleep=sleep)
        running = Running(process, client, log)
        try:
            _up(running, number, wait, sleep)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _popen(argv: list[str], variables: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    try:
        with log.open("wb") as out:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=dict(variables))
    except OSError as error:
        raise PvekitError(f"{argv[0]} cannot be started: {error.strerror}", where="this machine",
                          hint="Say how it is called: --llama-server COMMAND") from error  # fmt: skip


def _up(running: Running, port: int, wait: float, sleep: Callable[[float], None]) -> None:
    end = time.monotonic() + wait
    while running.process.poll() is None:
        if running.client.listens():
            running.client.look(max(1.0, end - time.monotonic()))
            return
        if time.monotonic() >= end:
            raise TaskFailed(f"llama-server does not answer within {wait:.0f} s\n{running.tail()}",
                             where=f"port {port}", hint="Try it by hand.")  # fmt: skip
        sleep(0.2)
    said = running.tail()
    if "bind" in said and ("in use" in said or "couldn't bind" in said):
        raise _taken(port)
    raise TaskFailed(f"llama-server did not come up\n{said}", where=f"port {port}",
                     hint="The lines above say why. Try it by hand.")  # fmt: skip


def _port(wanted: int) -> int:
    """Return a port that is free now."""
    with socket.socket() as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind(("127.0.0.1", wanted))
        except OSError as error:
            raise _taken(wanted) from error
        return int(door.getsockname()[1])


def _taken(port: int) -> Conflict:
    return Conflict(f"port {port} is in use on this machine", status=0, where="llama-server",
                    hint="Name another one with --port, or leave it out: then a free one is taken.")  # fmt: skip
