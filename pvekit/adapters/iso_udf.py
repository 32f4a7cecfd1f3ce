"""Makes the UDF half of an ISO image that pycdlib wrote depend on its content alone.

pycdlib stamps the wall clock into volume descriptors and file entries, and a random number into the volume set's name.
Each structure carries a checksum over itself, so it is sealed again after the change (ECMA-167 3/7.2).
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterator

from pvekit.model.errors import PvekitError

_SECTOR = 2048
_ANCHOR_SECTOR = 256
_PRIMARY, _ANCHOR, _PARTITION, _LOGICAL, _LAST, _INTEGRITY = 1, 2, 5, 6, 8, 9
_FILE_SET, _FOLDER_ENTRY, _FILE = 256, 257, 261
# Local time, no zone known: 1 January 2000, 00:00 (1/7.3).
_DATE = struct.pack("<HhBBBBBBBB", 0x1000, 2000, 1, 1, 0, 0, 0, 0, 0, 0)
_FOLDER, _PARENT = 2, 8


def freeze_udf(image: memoryview, name: str) -> None:
    """Replace all dates by a fixed one, and the volume set's name by one made of ``name`` (16 digits).

    Raises PvekitError when the image is not built as pycdlib builds it.
    """
    partition = 0
    for sector in _volume_descriptors(image):
        kind = _kind(image, sector)
        if kind == _PRIMARY:
            _write(image, sector, 72, b"\x08" + name.encode("ascii"))
            _write(image, sector, 376, _DATE)
        elif kind == _PARTITION:
            (partition,) = struct.unpack_from("<I", image, sector * _SECTOR + 188)
        elif kind == _LOGICAL:
            (integrity,) = struct.unpack_from("<I", image, sector * _SECTOR + 436)
            _write(image, integrity, 16, _DATE, _INTEGRITY)
    _write(image, partition, 16, _DATE, _FILE_SET)
    (root,) = struct.unpack_from("<I", image, partition * _SECTOR + 404)
    _freeze_tree(image, partition, root)


def _volume_descriptors(image: memoryview) -> Iterator[int]:
    """Give the sectors of the main sequence and of its copy."""
    if _kind(image, _ANCHOR_SECTOR) != _ANCHOR:
        raise _unexpected("no anchor")
    for offset in (16, 24):
        length, start = struct.unpack_from("<II", image, _ANCHOR_SECTOR * _SECTOR + offset)
        for sector in range(start, start + length // _SECTOR):
            if _kind(image, sector) == _LAST:
                break
            yield sector


def _freeze_tree(image: memoryview, partition: int, root: int) -> None:
    """Freeze the file entries of the whole tree: access, modification and attribute time stand together."""
    left = [root]
    while left:
        block = left.pop()
        sector = partition + block
        _write(image, sector, 72, _DATE * 3, _FILE)
        if image[sector * _SECTOR + 27] == 4:  # a folder (4/14.6.6)
            left.extend(_children(image, partition, sector))


def _children(image: memoryview, partition: int, sector: int) -> Iterator[int]:
    """Give the blocks of the file entries that a folder names."""
    start = sector * _SECTOR
    (size,) = struct.unpack_from("<Q", image, start + 56)
    before, count = struct.unpack_from("<II", image, start + 168)
    if count != 8:
        raise _unexpected("a folder in several pieces")
    (block,) = struct.unpack_from("<I", image, start + 176 + before + 4)
    offset = (partition + block) * _SECTOR
    end = offset + size
    while offset < end:
        (child,) = struct.unpack_from("<I", image, offset + 24)
        (skip,) = struct.unpack_from("<H", image, offset + 36)
        if struct.unpack_from("<H", image, offset)[0] != _FOLDER_ENTRY:
            raise _unexpected("a folder that makes no sense")
        if not image[offset + 18] & _PARENT:
            yield child
        offset += (38 + skip + image[offset + 19] + 3) // 4 * 4


def _kind(image: memoryview, sector: int) -> int:
    return int(struct.unpack_from("<H", image, sector * _SECTOR)[0])


def _write(image: memoryview, sector: int, offset: int, data: bytes, kind: int | None = None) -> None:
    """Write into a descriptor and seal it: the CRC over what follows the tag, then the tag's own checksum."""
    start = sector * _SECTOR
    if kind is not None and _kind(image, sector) != kind:
        raise _unexpected(f"descriptor {_kind(image, sector)} where {kind} belongs")
    image[start + offset : start + offset + len(data)] = data
    (length,) = struct.unpack_from("<H", image, start + 10)
    struct.pack_into("<H", image, start + 8, binascii.crc_hqx(image[start + 16 : start + 16 + length], 0))
    image[start + 4] = (sum(image[start : start + 4]) + sum(image[start + 5 : start + 16])) % 256


def _unexpected(what: str) -> PvekitError:
    return PvekitError(
        f"the UDF part of an image is not as expected: {what}",
        hint="This is a fault of pvekit with this version of pycdlib; please report it.",
    )
