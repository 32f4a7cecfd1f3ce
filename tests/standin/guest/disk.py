"""Disk 0: found, judged, and written."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

from tests.standin.guest import gpt

_REREAD_PARTITIONS = 0x125F
_HEAD, _TAIL = 4 << 20, 1 << 20
_PIECE = 1 << 20
_SIGNATURES = (
    (510, b"\x55\xaa", "a partition table"),
    (512, b"EFI PART", "a GPT"),
    (1080, b"\x53\xef", "an ext4 file system"),
    (512, b"LABELONE", "an LVM volume"),
    (3, b"NTFS", "an NTFS file system"),
)
EXTENTS = b"EXTENTS1"
"""Begins a file that holds the used parts of an image: count, then offset and length of each, then their bytes."""


def disk_zero() -> Path | None:
    """Return the first disk that the loaded drivers show."""
    found = [entry for pattern in ("sd*", "vd*") for entry in sorted(Path("/sys/block").glob(pattern))]
    return Path("/dev") / found[0].name if found else None


def size(disk: Path) -> int:
    """Return the size in bytes."""
    return int(Path(f"/sys/block/{disk.name}/size").read_text()) * gpt.SECTOR


def holds(disk: Path) -> str:
    """Return what is on the disk; empty if nothing is at its beginning and end."""
    with disk.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(size(disk) - _TAIL)
        tail = file.read(_TAIL)
    for offset, magic, name in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return name
    return "data" if any(head) or any(tail) else ""


def write_table(disk: Path, efi: int) -> list[int]:
    """Partition the disk; return where the partitions begin."""
    parts = gpt.layout(size(disk), efi)
    with disk.open("r+b", buffering=0) as file:
        for offset, data in gpt.table(size(disk), parts, os.urandom(16)):
            file.seek(offset)
            file.write(data)
    return [first for _, _, first, _ in parts]


def write_image(image: Path, disk: Path, start: int) -> int:
    """Copy the used parts of an image to ``start`` on the disk; return how many bytes that were."""
    copied = 0
    with image.open("rb") as source, disk.open("r+b", buffering=0) as target:
        for offset, length in extents(source.read(12), source.read):
            target.seek(start + offset)
            left = length
            while left:
                piece = source.read(min(left, _PIECE))
                target.write(piece)
                left -= len(piece)
            copied += length
    return copied


def extents(head: bytes, read: Callable[[int], bytes]) -> list[tuple[int, int]]:
    """Return offset and length of every used part."""
    magic, count = struct.unpack("<8sI", head)
    if magic != EXTENTS:
        raise ValueError("the image is damaged")
    pairs = struct.iter_unpack("<QQ", read(16 * count))
    return [(offset, length) for offset, length in pairs]


def partitions(disk: Path) -> None:
    """Flush the disk and let the kernel look at its partitions."""
    with disk.open("rb") as file:
        os.fsync(file.fileno())
        fcntl.ioctl(file.fileno(), _REREAD_PARTITIONS)
