"""What an RFB server says, as bytes: the pieces that tests put together."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pvekit.adapters.rfb import Stream
from pvekit.model.picture import Picture

VERSION = b"RFB 003.008\n"
PASSED = struct.pack(">I", 0)
BELL = b"\2"


def init(width: int, height: int, name: bytes = b"a VM") -> bytes:
    return struct.pack(">HH16xI", width, height, len(name)) + name


def update(*rectangles: bytes) -> bytes:
    return struct.pack(">BxH", 0, len(rectangles)) + b"".join(rectangles)


def resize(width: int, height: int) -> bytes:
    return struct.pack(">HHHHi", 0, 0, width, height, -223)


def raw(of: Picture, left: int, top: int, width: int, height: int) -> bytes:
    """Return a part of a picture as a Raw rectangle, 32 bits a pixel, blue first."""
    data = bytearray()
    for row in range(top, top + height):
        for column in range(left, left + width):
            red, green, blue = of.rgb[(row * of.width + column) * 3 :][:3]
            data += bytes((blue, green, red, 0xEE))
    return struct.pack(">HHHHi", left, top, width, height, 0) + bytes(data)


def cut_text(text: bytes) -> bytes:
    return struct.pack(">B3xI", 3, len(text)) + text


def colours(count: int) -> bytes:
    return struct.pack(">BxHH", 1, 0, count) + bytes(6 * count)


def reason(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


@dataclass
class Tape:
    """Plays a server's bytes in parts of the given sizes, and keeps what the client says."""

    data: bytes
    sizes: Sequence[int] = ()
    said: bytearray = field(default_factory=bytearray)

    def stream(self) -> Stream:
        return Stream(self._parts(), self.said.extend)

    def _parts(self) -> Callable[[], bytes]:
        def cut() -> Iterator[bytes]:
            left = self.data
            for size in self.sizes:
                part, left = left[:size], left[size:]
                if part:
                    yield part
            if left:
                yield left

        parts = cut()
        return lambda: next(parts, b"")
