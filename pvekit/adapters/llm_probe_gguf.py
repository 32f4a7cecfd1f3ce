"""Reads the header of a GGUF file that lies on another machine, piece by piece, without copying the file."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from pvekit.adapters import gguf
from pvekit.adapters.runner import Local, Runner
from pvekit.model.errors import NotFound, TaskFailed
from pvekit.model.gguf import GgufFile

_PIECE = 2**21
_SCRIPT = 'tail -c +"$1" "$2" | head -c "$3" | base64'


def header(runner: Runner, path: str) -> GgufFile:
    """Return the header of a file on a machine. Raises GgufInvalid, NotFound, and what the runner raises."""
    if isinstance(runner, Local):
        return gguf.read(Path(path))
    done = runner.run(["stat", "-L", "-c", "%s", path])
    if done.rc != 0 or not done.out.strip().isdigit():
        raise NotFound("the file cannot be read", status=0, where=f"{runner.where}:{path}", hint="Is the path right?")
    size = int(done.out)
    kept: dict[int, bytes] = {}

    def piece(number: int) -> bytes:
        if number not in kept:
            kept.clear()
            kept[number] = _piece(runner, path, number * _PIECE)
        return kept[number]

    def fetch(offset: int, length: int) -> bytes:
        found = bytearray()
        while len(found) < length:
            at = offset + len(found)
            part = piece(at // _PIECE)[at % _PIECE :][: length - len(found)]
            if not part:
                break
            found += part
        return bytes(found)

    return gguf.parse(fetch, size, f"{runner.where}:{path}")


def _piece(runner: Runner, path: str, offset: int) -> bytes:
    done = runner.run(["sh", "-c", _SCRIPT, "sh", str(offset + 1), path, str(_PIECE)], timeout=120.0)
    try:
        return base64.b64decode(done.out)
    except binascii.Error as error:
        raise TaskFailed(
            f"the file cannot be read: {done.err.strip()[-200:]}", where=f"{runner.where}:{path}"
        ) from error
