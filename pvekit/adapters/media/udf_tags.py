"""The small pieces that UDF descriptors are made of: tags with their checksums, strings, addresses (ECMA-167, OSTA)."""

from __future__ import annotations

import binascii
import struct
from dataclasses import dataclass

from pvekit.adapters.media.source import damaged

BLOCK = 2048
TAG_LENGTH = 16

# Kinds of extents in the top two bits of their length (ECMA-167 4/14.14.1.1).
RECORDED, CONTINUES = 0, 3


@dataclass(frozen=True, slots=True)
class Address:
    """A stretch in a partition: bytes, first block, which partition map, and its kind."""

    length: int
    block: int
    partition: int
    kind: int = RECORDED


def tag_of(data: bytes, location: int | None) -> int:
    """Return the kind of the descriptor that starts ``data``, 0 when its checksum, CRC or place is wrong.

    ``location`` None: the place is not looked at.
    """
    kind, checksum, crc, crc_length, place = struct.unpack_from("<H2xBx2xHHI", data)
    if (sum(data[:4]) + sum(data[5:TAG_LENGTH])) % 256 != checksum or location not in (None, place):
        return 0
    body = data[TAG_LENGTH : TAG_LENGTH + crc_length]
    if len(body) != crc_length or binascii.crc_hqx(body, 0) != crc:
        return 0
    return int(kind)


def expect(data: bytes, location: int, *kinds: int) -> int:
    """Return the kind of a descriptor that must be one of ``kinds``. Raises ImageInvalid."""
    kind = tag_of(data, location)
    if kind not in kinds:
        raise damaged(f"its UDF descriptor in block {location} is broken")
    return kind


def text(data: bytes) -> str:
    """Decode compressed Unicode (UDF 2.1.1): the first byte says how wide the characters are."""
    if not data:
        return ""
    return data[1:].decode("utf-16-be" if data[0] in (16, 255) else "latin-1", errors="replace")


def dstring(data: bytes) -> str:
    """Decode a string in a field of fixed length: the last byte says how long it is (1/7.2.12)."""
    return text(data[: min(data[-1], len(data) - 1)])


def short_address(data: bytes, offset: int, partition: int) -> Address:
    """Read a short_ad: it lies in the partition of the file entry that holds it."""
    length, block = struct.unpack_from("<II", data, offset)
    return Address(length & 0x3FFFFFFF, block, partition, length >> 30)


def long_address(data: bytes, offset: int) -> Address:
    """Read a long_ad."""
    length, block, partition = struct.unpack_from("<IIH", data, offset)
    return Address(length & 0x3FFFFFFF, block, partition, length >> 30)
