"""Small GGUF files put together byte by byte, right or wrong as a test wants them."""

from __future__ import annotations

import struct
from collections.abc import Sequence


def text(word: str) -> bytes:
    """Return a text as the format writes it."""
    data = word.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key: str, number: int, value: bytes) -> bytes:
    """Return one entry of the metadata."""
    return text(key) + struct.pack("<I", number) + value


def tensor(name: str, shape: Sequence[int], number: int = 0, offset: int = 0) -> bytes:
    """Return one tensor's description."""
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, number, offset)


def gguf(
    entries: Sequence[bytes] = (), tensors: Sequence[bytes] = (), *, data: int = 0, magic: bytes = b"GGUF",
    version: bytes = struct.pack("<I", 3), counts: tuple[int, int] | None = None,
) -> bytes:  # fmt: skip
    """Return a whole file. ``counts`` are the numbers of tensors and entries it claims to have."""
    told = counts or (len(tensors), len(entries))
    out = magic + version + struct.pack("<QQ", *told) + b"".join(entries) + b"".join(tensors)
    return out + bytes(-len(out) % 32) + bytes(data)
