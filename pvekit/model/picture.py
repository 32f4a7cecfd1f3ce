"""A picture of a screen, and the PNG that any viewer shows."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEVEL = 6
_TRUE_COLOUR = (8, 2, 0, 0, 0)
"""Eight bits a channel, red green blue, and the only compression, filter and interlace methods worth having."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``width`` x ``height`` pixels; ``rgb`` holds three bytes each, row by row from the top left."""

    width: int
    height: int
    rgb: bytes

    def __post_init__(self) -> None:
        """Refuse a size that does not fit the pixels (ValueError)."""
        if self.width < 1 or self.height < 1 or len(self.rgb) != self.width * self.height * 3:
            raise ValueError(f"{len(self.rgb)} bytes are not {self.width} x {self.height} pixels")

    def png(self) -> bytes:
        """Return the picture as PNG (ISO/IEC 15948), without filters: consoles are plain areas and compress well."""
        stride = self.width * 3
        rows = b"".join(b"\0" + self.rgb[row * stride : (row + 1) * stride] for row in range(self.height))
        chunks = (
            (b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, *_TRUE_COLOUR)),
            (b"IDAT", zlib.compress(rows, _LEVEL)),
            (b"IEND", b""),
        )
        return SIGNATURE + b"".join(_chunk(kind, body) for kind, body in chunks)


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a PNG. ValueError if it is none."""
    if not data.startswith(SIGNATURE) or len(data) < 24:
        raise ValueError("not a PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
