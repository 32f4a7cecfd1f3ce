"""The partition table that diskpart would make: EFI, Microsoft reserved, and the rest for Windows."""

from __future__ import annotations

import struct
import zlib

SECTOR = 512
MIB = 1 << 20
_ENTRIES, _ENTRY_SIZE = 128, 128
_TABLE_SECTORS = _ENTRIES * _ENTRY_SIZE // SECTOR
# Types as they lie on the disk (mixed byte order): EFI system, Microsoft reserved, basic data.
_EFI = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")
_RESERVED = bytes.fromhex("16e3c9e35c0bb84d817df92df00215ae")
_BASIC = bytes.fromhex("a2a0d0ebe5b9334487c068b6b72699c7")


def layout(size: int, efi: int) -> list[tuple[bytes, str, int, int]]:
    """Return type, name, first byte and size of every partition; ``efi`` is the size of the EFI partition."""
    windows = MIB + efi + 16 * MIB
    return [
        (_EFI, "EFI system partition", MIB, efi),
        (_RESERVED, "Microsoft reserved partition", MIB + efi, 16 * MIB),
        (_BASIC, "Basic data partition", windows, (size - windows - MIB) // MIB * MIB),
    ]


def table(size: int, parts: list[tuple[bytes, str, int, int]], disk: bytes) -> list[tuple[int, bytes]]:
    """Return what to write where (byte offset) on a disk of ``size`` bytes; ``disk`` is its identity, 16 bytes."""
    entries = b""
    for number, (kind, name, first, length) in enumerate(parts, 1):
        identity = disk[:15] + bytes([disk[15] ^ number])
        last = (first + length) // SECTOR - 1
        entries += (
            kind + identity + struct.pack("<QQQ", first // SECTOR, last, 0) + name.encode("utf-16-le").ljust(72, b"\0")
        )
    entries = entries.ljust(_ENTRIES * _ENTRY_SIZE, b"\0")
    end = size // SECTOR - 1
    backup = end - _TABLE_SECTORS
    return [
        (0, _protective(end)),
        (SECTOR, _header(1, end, 2, end, disk, entries)),
        (2 * SECTOR, entries),
        (backup * SECTOR, entries),
        (end * SECTOR, _header(end, 1, backup, end, disk, entries)),
    ]


def _header(here: int, other: int, entries_at: int, end: int, disk: bytes, entries: bytes) -> bytes:
    usable = 2 + _TABLE_SECTORS, end - _TABLE_SECTORS - 1

    def pack(checksum: int) -> bytes:
        return struct.pack("<8sIIII4Q16sQIII", b"EFI PART", 0x10000, 92, checksum, 0, here, other, *usable, disk,
                           entries_at, _ENTRIES, _ENTRY_SIZE, zlib.crc32(entries))  # fmt: skip

    return pack(zlib.crc32(pack(0))).ljust(SECTOR, b"\0")


def _protective(end: int) -> bytes:
    entry = struct.pack("<B3sB3sII", 0, b"\x00\x02\x00", 0xEE, b"\xff\xff\xff", 1, min(end, 0xFFFFFFFF))
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"
