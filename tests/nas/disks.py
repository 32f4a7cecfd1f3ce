"""Disks that somebody used before: ext4 and GPT by their own tools, the others written by hand as their formats say.

LVM, Linux RAID and ZFS want a kernel and root to make theirs; a test holds these against ``blkid`` and ``wipefs``.
"""

from __future__ import annotations

import struct
import subprocess
import uuid
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

SIZE = 64 << 20
KIB = 1024
_LVM_CRC_START = 0xF597A6CF
_UUID = uuid.UUID("6f1f8a52-2d35-4c7e-9d5e-0f1a2b3c4d5e")


def ext4(path: Path) -> None:
    """Make a file system."""
    _tool("mkfs.ext4", "-q", "-L", "holiday", str(path))


def gpt(path: Path) -> None:
    """Make a partition table with one partition, nothing inside."""
    _tool("sfdisk", "--quiet", str(path), text="label: gpt\n,,L\n")


def lvm(path: Path) -> None:
    """Write a physical volume's label into the second sector."""
    body = struct.pack("<I8s", 32, b"LVM2 001") + b"HuMEGAnDywYrzTMQ6uCTrEE0PVf0pvis" + struct.pack("<Q", SIZE)
    body += struct.pack("<6Q", 1 << 20, 0, 0, 0, 4096, (1 << 20) - 4096) + bytes(16)
    body = body.ljust(512 - 20, b"\0")
    crc = zlib.crc32(body, _LVM_CRC_START ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
    _write(path, {512: b"LABELONE" + struct.pack("<QI", 1, crc) + body})


def mdraid(path: Path) -> None:
    """Write the superblock (version 1.2, at 4 KiB) of one half of a mirror."""
    head = struct.pack("<4I16s32s", 0xA92B4EFC, 1, 0, 0, _UUID.bytes, b"oldbox:0")
    head += struct.pack("<QII", 1, 1, 0) + struct.pack("<QIII", (SIZE >> 9) - 2048, 0, 2, 0)
    head = head.ljust(128, b"\0") + struct.pack("<4Q", 2048, (SIZE >> 9) - 2048, 8, 0)
    head += struct.pack("<II16sII", 0, 0, _UUID.bytes, 0, 0)
    head = head.ljust(192, b"\0") + struct.pack("<3QII", 1, 1, 0xFFFFFFFFFFFFFFFF, 0, 2)
    block = head.ljust(256, b"\0") + struct.pack("<2H", 0, 1)
    total = sum(struct.unpack(f"<{len(block) // 4}I", block))
    total = (total & 0xFFFFFFFF) + (total >> 32)
    _write(path, {4096: block[:216] + struct.pack("<I", total & 0xFFFFFFFF) + block[220:]})


def zfs(path: Path, name: str = "oldtank") -> None:
    """Write the four labels of a pool of one disk, each with its list of pairs and a ring of uberblocks."""
    vdev = {"type": "disk", "id": 0, "guid": 22, "path": "/dev/sdb1", "ashift": 12}
    pairs: dict[str, object] = {"version": 5000, "name": name, "state": 0, "txg": 4, "pool_guid": 11, "guid": 22}
    pairs |= {"hostname": "oldbox", "top_guid": 22, "vdev_children": 1, "vdev_tree": vdev}
    label = bytearray(256 * KIB)
    packed = b"\x01\x01\0\0" + nvlist(pairs)
    label[16 * KIB : 16 * KIB + len(packed)] = packed
    for slot in range(128):
        struct.pack_into("<QQQQQ", label, 128 * KIB + slot * KIB, 0x00BAB10C, 5000, slot + 4, 33, 1700000000)
    places = (0, 256 * KIB, SIZE - 512 * KIB, SIZE - 256 * KIB)
    _write(path, {place: bytes(label) for place in places})


def nvlist(pairs: dict[str, object]) -> bytes:
    """Return pairs as ZFS packs them (XDR): numbers, texts and lists of pairs."""
    return struct.pack(">II", 0, 1) + b"".join(_pair(name, value) for name, value in pairs.items()) + bytes(8)


def _pair(name: str, value: object) -> bytes:
    if isinstance(value, int):
        kind, data = 8, struct.pack(">Q", value)
    elif isinstance(value, str):
        kind, data = 9, _text(value)
    else:
        assert isinstance(value, dict)
        kind, data = 19, nvlist(value)
    body = _text(name) + struct.pack(">II", kind, 1) + data
    return struct.pack(">II", len(body) + 8, len(body) + 8) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def _write(path: Path, pieces: dict[int, bytes]) -> None:
    with path.open("r+b") as file:
        for place, data in pieces.items():
            file.seek(place)
            file.write(data)


def _tool(*argv: str, text: str = "") -> None:
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(argv, input=text, text=True, check=True, capture_output=True, env=env)


MAKERS: dict[str, Callable[[Path], None]] = {"ext4": ext4, "zfs": zfs, "lvm": lvm, "mdraid": mdraid, "gpt": gpt}
"""By what was on the disk."""

SAID = {
    "ext4": "ext2, ext3 or ext4",
    "zfs": "zfs_member",
    "lvm": "LVM2_member",
    "mdraid": "linux_raid_member",
    "gpt": "gpt",
}
"""What pvekit calls each."""


def blank(path: Path, size: int = SIZE) -> Path:
    """Return an empty disk."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def used(folder: Path, kinds: Iterable[str] = tuple(MAKERS)) -> dict[str, Path]:
    """Return one disk of each kind."""
    made = {}
    for kind in kinds:
        made[kind] = blank(folder / f"{kind}.raw")
        MAKERS[kind](made[kind])
    return made
