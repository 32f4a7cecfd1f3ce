"""Speaks to templates/host/passthrough.py: on another host over SSH, or on this machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Protocol

from pvekit.adapters import hostscript
from pvekit.adapters.data import data_dir
from pvekit.adapters.nodessh import NodeDoor
from pvekit.model.errors import TaskFailed
from pvekit.model.hostlook import HostLook, JournalState, parse_answer, parse_journal, parse_look

PROGRAM = "passthrough.py"
_SECONDS = 60.0
_LONG = 7200.0
"""Rebuilding every initramfs of a slow host."""


class Way(Protocol):
    """How the program is run: its exit status, what it printed, and what it said to the person."""

    name: str

    def run(self, arguments: Sequence[str], timeout: float) -> tuple[int, str, str]:
        """Run it."""


class OverSsh:
    """Runs the program on another host; its text travels on standard input and nothing is left behind.

    ``root`` is a tree there to work on instead of the host's own files.
    """

    def __init__(self, door: NodeDoor, root: str = "") -> None:
        """Take the door to the host."""
        self.name = door.node
        self._door = door
        self._root = ("--root", root) if root else ()

    def run(self, arguments: Sequence[str], timeout: float) -> tuple[int, str, str]:
        """Run it. Raises HostUnreachable, HostKeyMismatch, SecretUnavailable."""
        argv = ["python3", "-", *self._root, *arguments]
        done = self._door.attempt(argv, stdin=hostscript.text(PROGRAM), timeout=timeout)
        return done.rc, done.out, done.err


class Here:
    """Runs the program on this machine. ``root`` is a tree to work on instead of the machine's own files."""

    def __init__(self, root: str = "") -> None:
        """Keep the tree."""
        self.name = "local"
        self._root = ("--root", root) if root else ()

    def run(self, arguments: Sequence[str], timeout: float) -> tuple[int, str, str]:
        """Run it. Raises TaskFailed when it takes too long."""
        argv = [sys.executable, "-I", str(data_dir("templates") / "host" / PROGRAM), *self._root, *arguments]
        try:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
                                  check=False)  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise TaskFailed(f"{arguments[0]} did not end within {timeout:.0f} s", where=self.name) from error
        return done.returncode, done.stdout, done.stderr


def look(way: Way) -> HostLook:
    """Return what the host tells; nothing is changed there. Raises TaskFailed, and what the way raises."""
    text = _said(way, ["look"], _SECONDS)[0]
    try:
        return parse_look(text)
    except ValueError as error:
        raise _unreadable(way, error) from error


def status(way: Way) -> JournalState | None:
    """Return the newest change set on the host, also one that is undone. Errors as in ``look``."""
    return parse_journal(_said(way, ["status"], _SECONDS)[1].get("journal"))


def act(way: Way, verb: str, leave: Sequence[str] = ()) -> tuple[bool, JournalState | None, str]:
    """Run resume, rollback or confirm; return whether something changed, the state, and what it said."""
    arguments = [verb, *(part for path in leave for part in ("--leave", path))]
    _, answer, words = _said(way, arguments, _LONG)
    return bool(answer.get("changed")), parse_journal(answer.get("journal")), words


def _said(way: Way, arguments: Sequence[str], timeout: float) -> tuple[str, dict[str, Any], str]:
    rc, out, err = way.run(arguments, timeout)
    if rc == 127 or "python3: not found" in err:
        raise TaskFailed("there is no python3 on the host", where=way.name, hint="apt-get install python3")
    try:
        answer = parse_answer(out)
    except ValueError as error:
        raise _unreadable(way, error, err) from error
    if not answer.get("ok"):
        raise TaskFailed(str(answer.get("error")), where=way.name, hint=str(answer.get("hint", "")))
    return out, answer, err.strip()


def _unreadable(way: Way, error: Exception, words: str = "") -> TaskFailed:
    last = f"\n  {words.strip().splitlines()[-1]}" if words.strip() else ""
    return TaskFailed(f"the answer cannot be read: {error}{last}", where=way.name,
                      hint="Does python3 run there, and does a login print nothing by itself?")  # fmt: skip
