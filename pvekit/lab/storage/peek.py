"""The size of a disk image from its first bytes, for listings: no process is started for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

QCOW2 = b"QFI\xfb"


@dataclass(frozen=True, slots=True)
class Facts:
    """Virtual size in bytes, and the backing file's name as it is written in the image."""

    size: int
    backing: str = ""


def peek(path: Path) -> Facts | None:
    """Return the facts of a qcow2 or raw image, None for anything else."""
    with path.open("rb") as stream:
        head = stream.read(32)
        if head[:4] != QCOW2 or len(head) < 32:
            return Facts(path.stat().st_size) if path.suffix == ".raw" else None
        place, length = int.from_bytes(head[8:16], "big"), int.from_bytes(head[16:20], "big")
        backing = ""
        if place and length < 1024:
            stream.seek(place)
            backing = stream.read(length).decode("utf-8", errors="replace")
        return Facts(int.from_bytes(head[24:32], "big"), backing)
