"""Asks a host for everything that a diagnosis of passthrough can use: one script, one answer, one bundle."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from pvekit.adapters import hostscript
from pvekit.adapters.nodessh import NodeDoor
from pvekit.model.bundle import Bundle
from pvekit.model.errors import PvekitError, TaskFailed

SCRIPT = "passthrough-collect.sh"
_START = "pvekit-collect 1"
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


def parse(name: str, text: str) -> Bundle:
    """Return the bundle in the script's output. Raises ValueError.

    What a login script prints before it is passed over. Of two sections of one name the later counts.
    """
    lines = iter(text.splitlines())
    if not any(line.strip() == _START for line in lines):
        raise ValueError("it does not begin as expected")
    files: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for kind, head, body in _sections(lines):
        file, _, why = head.partition(" ")
        if kind != "end" and not _NAME.fullmatch(file):
            raise ValueError(f"an unknown name: {file[:40]!r}")
        if kind == "file":
            files[file] = _decoded(file, body)
            left_out.pop(file, None)
        elif kind == "left":
            left_out[file] = "".join(char for char in why if char.isprintable())
            files.pop(file, None)
        else:
            return Bundle(name, files, left_out)
    raise ValueError("it ends too early")


def _sections(lines: Iterator[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Yield kind, the rest of the head line, and the lines below it."""
    kind, head, body = "", "", []
    for line in lines:
        if not line.startswith("."):
            body.append(line)
            continue
        if kind:
            yield kind, head, body
        kind, _, head = line[1:].partition(" ")
        if kind not in ("file", "left", "end"):
            raise ValueError(f"an unknown line: {line[:40]!r}")
        body = []
    if kind:
        yield kind, head, body


def _decoded(file: str, body: list[str]) -> str:
    try:
        return base64.b64decode("".join(body), validate=True).decode(errors="replace")
    except binascii.Error as error:
        raise ValueError(f"{file} is damaged") from error
