"""Writing GGUF: metadata in the types llama.cpp asks for."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

ALIGNMENT = 32
_MOST_SINGLE = 3.4e38
"""About the greatest number of single precision."""


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
        number, letter = _whole([value])
        return struct.pack(f"<I{letter}", number, value)
    if isinstance(value, float):
        number, letter = _broken([value])
        return struct.pack(f"<I{letter}", number, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, Signed):
        number, letter = _whole(value.numbers, signed=True)
        return struct.pack(f"<IIQ{len(value.numbers)}{letter}", 9, number, len(value.numbers), *value.numbers)
    return struct.pack("<I", 9) + _list(value)


def _whole(values: Sequence[int], *, signed: bool = False) -> tuple[int, str]:
    """Return the type's number and letter for whole numbers: of 32 bits, where they go into that."""
    if signed or min(values, default=0) < 0:
        return (5, "i") if all(-(2**31) <= value < 2**31 for value in values) else (11, "q")
    return (4, "I") if all(value < 2**32 for value in values) else (10, "Q")


def _broken(values: Sequence[float]) -> tuple[int, str]:
    return (6, "f") if all(abs(value) <= _MOST_SINGLE or not isfinite(value) for value in values) else (12, "d")


def _list(values: Sequence[str] | Sequence[float] | Sequence[int]) -> bytes:
    if all(isinstance(one, str) for one in values):
        return struct.pack("<IQ", 8, len(values)) + b"".join(_text(str(one)) for one in values)
    if all(isinstance(one, bool) for one in values):
        return struct.pack(f"<IQ{len(values)}?", 7, len(values), *values)
    numbers = [one for one in values if not isinstance(one, str)]
    whole = [one for one in numbers if isinstance(one, int)]
    number, letter = _whole(whole) if len(whole) == len(numbers) else _broken(numbers)
    return struct.pack(f"<IQ{len(numbers)}{letter}", number, len(numbers), *numbers)
