"""The VM's screen as PNG."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu.qmp import Qmp, QmpError


def screenshot(qmp: Qmp, target: Path) -> None:
    """Write the screen; by QEMU itself where it can write PNG (since 7.1), else by way of its PPM."""
    partial = target.with_suffix(".part")
    try:
        qmp.execute("screendump", {"filename": str(partial), "format": "png"}, timeout=30)
    except QmpError as error:
        if "format" not in str(error) and "png" not in str(error).lower():
            raise DoorError(f"no screenshot: {error}") from error
        qmp.execute("screendump", {"filename": str(partial)}, timeout=30)
        partial.write_bytes(png(partial.read_bytes()))
    partial.rename(target)


def png(ppm: bytes) -> bytes:
    """Return a binary PPM (``P6``, 8 bits a channel) as PNG. DoorError for anything else."""
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
    width, height = (int(header[1]), int(header[2])) if header else (0, 0)
    data = ppm[header.end() :] if header else b""
    if header is None or len(data) < width * height * 3:
        raise DoorError("QEMU wrote a screen dump that is no binary PPM")
    stride = width * 3
    rows = b"".join(b"\0" + data[row * stride : (row + 1) * stride] for row in range(height))
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows, 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
