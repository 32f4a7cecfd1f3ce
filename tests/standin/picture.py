"""Reads the text off a picture of the stand-in's screen, by the chart in its last row."""

from __future__ import annotations

import struct
import zlib

from tests.standin.guest.screen import CHART

_WIDE, _HIGH = 8, 16
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def text(png: bytes) -> str:
    """Return what the screen says, row by row. ValueError if it is no screen of the stand-in."""
    width, rows = pixels(png)
    ground = rows[0][:3]
    grid = [_cells(rows[top : top + _HIGH], width, ground) for top in range(0, len(rows) - _HIGH + 1, _HIGH)]
    chart = dict(zip(grid[-1], CHART, strict=False))
    if len(chart) < len(CHART):
        raise ValueError("the picture has no chart in its last row")
    return "\n".join("".join(chart.get(cell, " ") for cell in row).rstrip() for row in grid[:-1])


def ground(png: bytes) -> str:
    """Return ``red`` or ``blue``, or the colour of the first point in hexadecimal."""
    red, green, blue = pixels(png)[1][0][:3]
    if red > 100 and red > 2 * max(green, blue):
        return "red"
    return "blue" if blue > 100 and blue > 2 * max(red, green) else f"{red:02x}{green:02x}{blue:02x}"


def pixels(png: bytes) -> tuple[int, list[bytes]]:
    """Return the width and the rows of a picture with eight bits for each of red, green and blue."""
    if not png.startswith(_SIGNATURE):
        raise ValueError("no PNG")
    width, height, depth, kind = struct.unpack_from(">IIBB", png, 16)
    if (depth, kind) != (8, 2):
        raise ValueError(f"depth {depth} and kind {kind} are not read here")
    packed, at = b"", 8
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        packed += png[at + 8 : at + 8 + length] if png[at + 4 : at + 8] == b"IDAT" else b""
        at += length + 12
    data, stride = zlib.decompress(packed), width * 3
    rows, before = [], bytes(stride)
    for start in range(0, height * (stride + 1), stride + 1):
        before = _unfiltered(data[start], data[start + 1 : start + 1 + stride], before)
        rows.append(before)
    return width, rows


def _cells(rows: list[bytes], width: int, ground: bytes) -> list[bytes]:
    """Return the shape of every character in a row of text."""
    points = [bytes(row[at : at + 3] != ground for at in range(0, width * 3, 3)) for row in rows]
    return [b"".join(row[left : left + _WIDE] for row in points) for left in range(0, width - _WIDE + 1, _WIDE)]


def _unfiltered(kind: int, line: bytes, above: bytes) -> bytes:
    """Undo a row's filter (PNG 9.2)."""
    if kind == 0:
        return line
    if kind == 2:
        return bytes((a + b) & 255 for a, b in zip(line, above, strict=True))
    out = bytearray(3)  # the point left of the first one
    for at, value in enumerate(line):
        left, up, corner = out[at], above[at], above[at - 3] if at > 2 else 0
        out.append((value + _guess(kind, left, up, corner)) & 255)
    return bytes(out[3:])


def _guess(kind: int, left: int, up: int, corner: int) -> int:
    if kind == 1:
        return left
    if kind == 3:
        return (left + up) // 2
    nearest = left + up - corner
    return min((left, up, corner), key=lambda each: abs(nearest - each))
