"""Server-sent events, as servers of language models send them: JSON after ``data:``, and ``[DONE]`` at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

_MOST = 16_000_000
"""Bytes of one line; more is no event of a language model."""
DONE = "[DONE]"


def events(pieces: Iterable[bytes]) -> Iterator[dict[str, Any] | None]:
    """Yield the objects of a stream, and None for its ``[DONE]``, as the pieces come.

    Comments (keep-alive), other fields, empty lines and objects that are no JSON are passed over. Pieces may end
    anywhere, inside a character too. Raises ValueError for a line without an end.
    """
    rest = b""
    for piece in pieces:
        lines = (rest + piece).split(b"\n")
        rest = lines.pop()
        if len(rest) > _MOST:
            raise ValueError(f"a line of more than {_MOST} bytes")
        for line in lines:
            yield from _event(line)
    yield from _event(rest)


def _event(line: bytes) -> Iterator[dict[str, Any] | None]:
    name, _, value = line.strip().partition(b":")
    if name not in (b"data", b"error"):
        return
    text = value.strip().decode(errors="replace")
    if text == DONE:
        yield None
        return
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(found, dict):
        # llama-server names an error that comes after the headers by the field.
        yield {"error": found} if name == b"error" and "error" not in found else found
