"""The unit that serves a model in a VM: its settings and key, and a pause for measurements beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pvekit.adapters.runner import Runner
from pvekit.adapters.secrets import Secret
from pvekit.adapters.ssh import Completed
from pvekit.model.errors import NotFound, PvekitError, TaskFailed

NAME = "pvekit-llama.service"
_GUARD = "pvekit-llama-bench"
_KEYS = "/etc/pvekit/llama.env"
_LONG = 1800.0


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit on a machine. ``bench`` is how llama-bench is called beside its server."""

    runner: Runner
    model: str
    port: int
    bench: tuple[str, ...]

    def key(self) -> Secret | None:
        """Return what clients must give, read as root; None when it wants nothing. Raises PvekitError."""
        done = as_root(self.runner, ["cat", _KEYS])
        if done.rc != 0:
            raise PvekitError(f"{_KEYS} cannot be read: it needs root, or sudo", where=self.runner.where,
                              hint="Give the key: --key env:NAME")  # fmt: skip
        for line in done.out.splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "LLAMA_API_KEY":
                return Secret(re.sub(r"\\(.)", r"\1", value.strip().removeprefix('"').removesuffix('"')))
        return None

    def tail(self) -> str:
        """Return what the server said last."""
        with suppress(PvekitError):
            return as_root(self.runner, ["journalctl", "-u", NAME, "-n", "12", "--no-pager", "-o", "cat"]).out.strip()
        return ""

    def start(self) -> None:
        """Start the server and wait for it. Raises TaskFailed."""
        done = as_root(self.runner, ["systemctl", "start", NAME], timeout=_LONG)
        if done.rc != 0:
            raise TaskFailed(f"the server does not start again: {done.err.strip()}", where=self.runner.where,
                             hint=f"journalctl -u {NAME}")  # fmt: skip

    @contextmanager
    def paused(self, seconds: float) -> Iterator[Callable[[], None]]:
        """Stop the server while the block runs, and start it after in any case; gives what renews the pause.

        A timer in the machine starts it too, ``seconds`` after the last renewal, should this program be killed or the
        connection break.
        """
        if as_root(self.runner, ["systemctl", "is-active", "--quiet", NAME]).rc != 0:
            yield lambda: None
            return

        def renew() -> None:
            self._unguard()
            timer = ["systemd-run", "--quiet", "--collect", f"--unit={_GUARD}", f"--on-active={seconds:.0f}"]
            as_root(self.runner, [*timer, "systemctl", "start", NAME])

        try:
            renew()
            done = as_root(self.runner, ["systemctl", "stop", NAME], timeout=180)
            if done.rc != 0:
                raise TaskFailed(f"the server cannot be stopped: {done.err.strip()}", where=self.runner.where,
                                 hint="It needs root, or sudo there.")  # fmt: skip
            yield renew
        finally:
            self.start()
            self._unguard()

    def _unguard(self) -> None:
        as_root(self.runner, ["systemctl", "stop", f"{_GUARD}.timer"])


def found(runner: Runner) -> Unit:
    """Return the unit of a machine. Raises NotFound."""
    done = runner.run(["systemctl", "cat", NAME])
    words = _words(done.out)
    if done.rc != 0 or "--model" not in words:
        raise NotFound(f"there is no {NAME}", status=0, where=runner.where,
                       hint="Make one (pvekit llm deploy), or measure a server by its address: --url URL")  # fmt: skip
    port = words[words.index("--port") + 1] if "--port" in words[:-1] else "8080"
    bench = f"{words[0].rpartition('/')[0]}/llama-bench"
    return Unit(runner, words[words.index("--model") + 1], int(port) if port.isdigit() else 8080, (bench,))


def _words(text: str) -> list[str]:
    line = next((line for line in text.splitlines() if line.startswith("ExecStart=")), "")
    with suppress(ValueError):
        return shlex.split(line.partition("=")[2])
    return []


def as_root(runner: Runner, argv: list[str], *, timeout: float = 60.0) -> Completed:
    """Run a command as root: directly, or through sudo without a question."""
    sudo = [] if runner.run(["id", "-u"]).out.strip() == "0" else ["sudo", "-n", "--"]
    return runner.run([*sudo, *argv], timeout=timeout)
