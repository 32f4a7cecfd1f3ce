"""Speaks to templates/host/passthrough-probe.py: on another host over SSH, or on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from pvekit.adapters import hostscript
from pvekit.adapters.data import data_dir
from pvekit.adapters.nodessh import NodeDoor
from pvekit.model.errors import TaskFailed
from pvekit.model.proof import Probe, parse_probe

PROGRAM = "passthrough-probe.py"
_SECONDS = 60.0
_CYCLE = 120.0
"""A bus that does not come back is waited for by the kernel for up to a minute, for each function."""


def probe_from(door: NodeDoor, arguments: Sequence[str], *, cycles: int, root: str = "") -> Probe:
    """Use a card on another host as a VM would. ``arguments`` are the program's, after its options.

    Raises HostUnreachable, HostKeyMismatch, SecretUnavailable, TaskFailed.
    """
    argv = ["python3", "-", *_options(cycles, root), *arguments]
    done = door.attempt(argv, stdin=hostscript.text(PROGRAM), timeout=_SECONDS + cycles * _CYCLE)
    return _read(door.node, done.rc, done.out, done.err)


def probe_here(arguments: Sequence[str], *, cycles: int, root: str = "") -> Probe:
    """Use a card of this machine. Raises TaskFailed."""
    program = str(data_dir("templates") / "host" / PROGRAM)
    argv = [sys.executable, "-I", program, *_options(cycles, root), *arguments]
    seconds = _SECONDS + cycles * _CYCLE
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
                              check=False)  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TaskFailed(f"the card did not come back within {seconds:.0f} s", where="local", hint=_STUCK) from error
    return _read("local", done.returncode, done.stdout, done.stderr)


_STUCK = "Look at dmesg there. A card that does not come back mostly needs the host switched off and on."


def _options(cycles: int, root: str) -> list[str]:
    return ["--cycles", str(cycles), *(("--root", root) if root else ())]


def _read(name: str, rc: int, out: str, err: str) -> Probe:
    if rc == 127 or "python3: not found" in err:
        raise TaskFailed("there is no python3 on the host", where=name, hint="apt-get install python3")
    try:
        return parse_probe(out)
    except ValueError as error:
        last = f"\n  {err.strip().splitlines()[-1]}" if err.strip() else ""
        hint = "It needs root, python3, and a login that prints nothing by itself."
        raise TaskFailed(f"the card could not be tried: {error}{last}", where=name, hint=hint) from error
