"""A screen dump becomes a PNG without any library."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu.console import png


def pixels(image: bytes) -> tuple[int, int, bytes]:
    """Return width, height and RGB data of a PNG without filters."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    at, found = 8, {}
    while at < len(image):
        length, kind = struct.unpack(">I4s", image[at : at + 8])
        body = image[at + 8 : at + 8 + length]
        assert struct.unpack(">I", image[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        found[kind] = body
        at += 12 + length
    width, height = struct.unpack(">II", found[b"IHDR"][:8])
    rows = zlib.decompress(found[b"IDAT"])
    stride = width * 3 + 1
    return width, height, b"".join(rows[row * stride + 1 : (row + 1) * stride] for row in range(height))


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_every_pixel_survives(width: int, height: int, data: st.DataObject) -> None:
    size = width * height * 3
    rgb = data.draw(st.binary(min_size=size, max_size=size))
    assert pixels(png(b"P6\n%d %d\n255\n" % (width, height) + rgb)) == (width, height, rgb)


@pytest.mark.parametrize("text", [b"", b"P5\n1 1\n255\n\0", b"P6\n2 2\n255\n\0", b"P6\n1 1\n65535\n\0\0\0\0\0\0"])
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(DoorError):
        png(text)
