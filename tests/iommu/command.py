"""pvekit's own commands, run in this process as a person would type them."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

from pvekit.cli.main import run
from tests.iommu.host import Host


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str


def pvekit(*arguments: str) -> Said:
    """Run a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(list(arguments))
    return Said(code, out.getvalue(), err.getvalue())


def command(*arguments: str) -> str:
    """Run a command that has to say something and end with 0, 1 or 2; return what it prints."""
    said = pvekit(*arguments)
    assert said.code in {0, 1, 2}, said.err
    assert said.out, said.err
    return said.out


def way(host: Host) -> list[str]:
    """Return the options that lead to a host: its pinned key, and the key to log in with."""
    return ["--host-key", host.host_key, "--key", str(host.key)]
