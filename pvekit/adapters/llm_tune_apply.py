"""Gives the served model's unit other arguments; what does not come up is taken back."""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.adapters import hostscript
from pvekit.adapters.llm import unit
from pvekit.adapters.runner import Runner
from pvekit.adapters.ssh import Completed
from pvekit.model.errors import PvekitError, TaskFailed

ARGUMENTS = "/etc/pvekit/llama.args"
SCRIPT = "llm-tune-apply.sh"
_BACK, _DOWN = 9, 10


class NotBetter(TaskFailed):
    """The server did not come up with the new arguments."""


def text(arguments: Sequence[str]) -> str:
    """Return the file of arguments. Raises ValueError for an argument that systemd would read otherwise."""
    for argument in arguments:
        # The unit splits the variable at spaces, and systemd expands quotes, backslashes and dollars.
        if not argument or any(char in " \t\n\"'\\$%" for char in argument):
            raise ValueError(f"cannot be written into {ARGUMENTS}: {argument!r}")
    line = f'LLAMA_EXTRA_ARGS="{" ".join(arguments)}"\n'
    return f"# Found by pvekit llm tune. They come after the unit's own and win.\n{line}"


def apply(runner: Runner, arguments: Sequence[str], *, port: int, seconds: int = 600) -> None:
    """Write the arguments, restart the server and wait until it answers; put back what was there if it does not.

    Raises NotBetter when the old arguments are back or nothing runs, PvekitError when the file cannot be written.
    """
    # The text comes on standard input, so the script itself has to be an argument.
    argv = ["sh", "-c", hostscript.text(SCRIPT).decode(), SCRIPT, unit.NAME, ARGUMENTS, str(port), str(seconds)]
    done = _as_root(runner, argv, text(arguments).encode(), 2.0 * seconds + 60.0)
    if done.rc == 0:
        return
    said = "".join(f"\n  {line}" for line in (done.out.strip() or done.err.strip()).splitlines()[-8:])
    if done.rc == _BACK:
        raise NotBetter(f"the server does not come up with {' '.join(arguments)}; it runs as before{said}",
                        where=runner.where, hint="Nothing is lost. Look at the lines above.")  # fmt: skip
    if done.rc == _DOWN:
        raise NotBetter(f"the server comes up neither with the new arguments nor with the old ones{said}",
                        where=runner.where, hint=f"journalctl -u {unit.NAME}")  # fmt: skip
    raise PvekitError(f"{ARGUMENTS} cannot be written{said}", where=runner.where, hint="It needs root, or sudo there.")


def _as_root(runner: Runner, argv: list[str], stdin: bytes, timeout: float) -> Completed:
    sudo = [] if runner.run(["id", "-u"]).out.strip() == "0" else ["sudo", "-n", "--"]
    return runner.run([*sudo, *argv], stdin=stdin, timeout=timeout)
