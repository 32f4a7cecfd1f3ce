"""Writing GGUF: metadata in the types llama.cpp asks for."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class Signed:
    """A list of signed numbers; others are written unsigned."""

    numbers: Sequence[int]


Entry = str | int | float | bool | Sequence[str] | Sequence[float] | Sequence[int] | Signed


def header(metadata: Mapping[str, Entry], tensors: Sequence[tuple[str, tuple[int, ...], int, int]]) -> bytes:
    """Return all that stands before the data. ``tensors`` are name, shape, type and offset."""
    out = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
    for key, value in metadata.items():
        out += _text(key) + _value(value)
    for name, shape, number, offset in tensors:
        out += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, number, offset)
    return bytes(out) + bytes(-len(out) % ALIGNMENT)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Entry) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, Signed):
        return struct.pack(f"<IIQ{len(value.numbers)}i", 9, 5, len(value.numbers), *value.numbers)
    return struct.pack("<I", 9) + _list(value)


def _list(values: Sequence[str] | Sequence[float] | Sequence[int]) -> bytes:
    if all(isinstance(one, str) for one in values):
        return struct.pack("<IQ", 8, len(values)) + b"".join(_text(str(one)) for one in values)
    if all(isinstance(one, bool) for one in values):
        return struct.pack(f"<IQ{len(values)}?", 7, len(values), *values)
    if all(isinstance(one, int) for one in values):
        return struct.pack(f"<IQ{len(values)}I", 4, len(values), *values)
    return struct.pack(f"<IQ{len(values)}f", 6, len(values), *values)
