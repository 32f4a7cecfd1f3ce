"""Asks a host for everything that a diagnosis of passthrough can use: one script, one answer, one bundle."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvekit.adapters import hostscript
from pvekit.adapters.nodessh import NodeDoor
from pvekit.model.bundle import Bundle
from pvekit.model.errors import PvekitError, TaskFailed

SCRIPT = "passthrough-collect.sh"
_START = re.compile(r"^[ \t]*pvekit-collect 1 (?P<mark>\S+)\s*?$", re.MULTILINE)
"""What the answer begins with; lines of the frame begin with the mark."""
_NAME = re.compile(r"(?:\w[\w.@+-]*/)*\w[\w.@+-]*/?", re.ASCII)
"""Names that can be those of files anywhere, inside the bundle: the answer is somebody else's text."""
_SECONDS = 60.0
"""The script itself takes a few seconds at most; a busy host may take longer to start it."""


def collect_here() -> Bundle:
    """Return what this machine says, as the user that runs pvekit. Raises TaskFailed."""
    try:
        text = hostscript.run_here(SCRIPT, timeout=_SECONDS)
    except PvekitError as error:
        raise TaskFailed(error.message, where=error.where) from error
    return _parsed("local", text)


def collect_from(door: NodeDoor) -> Bundle:
    """Return what a host says; one round trip.

    Raises HostUnreachable, HostKeyMismatch, SecretUnavailable, TaskFailed.
    """
    return _parsed(door.node, door.script(SCRIPT, timeout=_SECONDS))


def _parsed(name: str, text: str) -> Bundle:
    try:
        return parse(name, text)
    except ValueError as error:
        raise TaskFailed(
            f"what the host answered cannot be read: {error}",
            where=name,
            hint="Run it again. If it stays so, look at what a login of this user prints by itself.",
        ) from error


def parse(bundle: str, text: str) -> Bundle:
    """Return the bundle of this name in the script's output. Raises ValueError.

    What a login script prints before it is passed over. Of two sections of one name the later counts.
    """
    start = _START.search(text)
    if start is None:
        raise ValueError("it does not begin as expected")
    files: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for kind, head, body in _sections(text[start.end() :], start["mark"]):
        if kind not in ("file", "left", "end"):
            raise ValueError(f"an unknown line: {kind[:40]!r}")
        name, _, why = head.partition(" ")
        if kind != "end" and not _NAME.fullmatch(name):
            raise ValueError(f"an unknown name: {name[:40]!r}")
        if kind == "file":
            files[name] = body
            left_out.pop(name, None)
        elif kind == "left":
            left_out[name] = "".join(char for char in why if char.isprintable())
            files.pop(name, None)
        else:
            return Bundle(bundle, files, left_out)
    raise ValueError("it ends too early")


def _sections(text: str, mark: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, the rest of the head line, and the text below it."""
    before, *sections = text.split(f"\n{mark} ")
    if before.strip():
        raise ValueError(f"an unknown line: {before.strip()[:40]!r}")
    for section in sections:
        line, line_end, body = section.partition("\n")
        kind, _, head = line.partition(" ")
        if not line_end and kind != "end":
            return
        yield kind, head, body
