"""UDF 1.02 to 2.50 as Windows and its tools write it, for reading: the volume, its partitions and its folders."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pvekit.adapters.media import udf_tags as tags
from pvekit.adapters.media.source import ByteSource, damaged
from pvekit.adapters.media.tree import MAX_ENTRIES, MAX_FOLDER, Entry
from pvekit.adapters.media.udf_files import read_extents, read_file_entry
from pvekit.adapters.media.udf_partitions import MetadataPartition, Partition, Partitions

_BLOCK = tags.BLOCK
_FIRST_RECOGNITION = 16
_MAX_RECOGNITION = 32
_MAX_SEQUENCE = 64
_MAX_MAPS = 8
_MAX_METADATA = 64
_PRIMARY, _ANCHOR, _PARTITION, _LOGICAL, _LAST, _FILE_SET, _IDENTIFIER = 1, 2, 5, 6, 8, 256, 257
_DELETED, _PARENT, _FOLDER = 4, 8, 2


class UdfVolume:
    """The names of a UDF file system. Raises ImageInvalid when it is damaged or of a kind not known here."""

    kind = "UDF"

    def __init__(self, source: ByteSource) -> None:
        """Read the volume descriptors and the top folder's place."""
        self._source = source
        descriptors = _descriptors(source)
        for wanted, what in ((_PARTITION, "partition"), (_LOGICAL, "logical volume")):
            if wanted not in descriptors:
                raise damaged(f"its UDF {what} is missing")
        logical = descriptors[_LOGICAL][-1]
        (block,) = struct.unpack_from("<I", logical, 212)
        if block != _BLOCK:
            raise damaged(f"its UDF blocks have {block} bytes; a CD's have {_BLOCK}")
        physical = dict(map(_physical, descriptors[_PARTITION]))
        self.label = tags.dstring(logical[84:212]) or tags.dstring(descriptors.get(_PRIMARY, [bytes(56)])[-1][24:56])
        self._partitions = _partitions(source, logical, physical)
        at = tags.long_address(logical, 248)
        file_set = self._partitions.read(source, at.partition, at.block, _BLOCK)
        tags.expect(file_set, at.block, _FILE_SET)
        self._root = tags.long_address(file_set, 400)

    def root(self) -> list[Entry]:
        """Return the entries of the top folder."""
        return self._list(read_file_entry(self._source, self._partitions, self._root))

    def entries(self, folder: Entry) -> list[Entry]:
        """Return the entries of a folder."""
        return self._list(folder.open())

    def _list(self, folder: ByteSource) -> list[Entry]:
        if folder.size > MAX_FOLDER:
            raise damaged(f"a folder of {folder.size} bytes")
        data = folder.read_at(0, folder.size)
        return [self._entry(data[start:end]) for start, end in _identifiers(data)]

    def _entry(self, data: bytes) -> Entry:
        """Read one file identifier (4/14.4)."""
        flags, length = data[18], data[19]
        at = tags.long_address(data, 20)
        (skip,) = struct.unpack_from("<H", data, 36)
        name = tags.text(data[38 + skip : 38 + skip + length])
        return Entry(name, bool(flags & _FOLDER), lambda: read_file_entry(self._source, self._partitions, at))


def read_volume(source: ByteSource) -> UdfVolume | None:
    """Return the UDF volume of an image; None when it has none. Raises ImageInvalid for a damaged one."""
    for number in range(_FIRST_RECOGNITION, _FIRST_RECOGNITION + _MAX_RECOGNITION):
        if (number + 1) * _BLOCK > source.size:
            return None
        mark = source.read_at(number * _BLOCK, 6)[1:]
        if mark in (b"NSR02", b"NSR03"):
            return UdfVolume(source)
        if mark not in (b"CD001", b"BEA01", b"BOOT2", b"TEA01"):
            return None
    return None


def _descriptors(source: ByteSource) -> dict[int, list[bytes]]:
    """Return the volume descriptors by kind, in the order of their sequence numbers: the last one holds."""
    anchor = _anchor(source)
    for offset in (16, 24):  # the main sequence, then its copy
        length, start = struct.unpack_from("<II", anchor, offset)
        found: dict[int, list[bytes]] = {}
        for number in range(min(length // _BLOCK, _MAX_SEQUENCE)):
            if (start + number + 1) * _BLOCK > source.size:
                break
            data = source.read_at((start + number) * _BLOCK, _BLOCK)
            kind = tags.tag_of(data, start + number)
            if kind == _LAST:
                break
            found.setdefault(kind, []).append(data)
        if _PARTITION in found and _LOGICAL in found:
            return {kind: sorted(each, key=lambda data: data[16:20][::-1]) for kind, each in found.items()}
    raise damaged("its UDF volume descriptors are broken")


def _anchor(source: ByteSource) -> bytes:
    """Return the anchor, which stands in block 256 or at the end (3/8.4.2.1)."""
    last = source.size // _BLOCK - 1
    for number in (256, last, last - 256):
        if 0 <= number <= last:
            data = source.read_at(number * _BLOCK, _BLOCK)
            if tags.tag_of(data, number) == _ANCHOR:
                return data
    raise damaged("it is said to be UDF, but has no anchor: most likely it is cut off")


def _physical(descriptor: bytes) -> tuple[int, Partition]:
    """Read a partition descriptor (3/10.5)."""
    number, start, length = struct.unpack_from("<22xH164xII", descriptor)
    return int(number), Partition(start, length)


def _partitions(source: ByteSource, logical: bytes, physical: dict[int, Partition]) -> Partitions:
    """Read the partition maps of a logical volume (3/10.7, UDF 2.2.10)."""
    size, count = struct.unpack_from("<II", logical, 264)
    maps: list[Partition | MetadataPartition] = []
    offset = 440
    for _number in range(min(count, _MAX_MAPS)):
        if offset + 2 > min(440 + size, len(logical)):
            break
        kind, length = logical[offset], logical[offset + 1]
        data = logical[offset : offset + length]
        if kind == 1 and length == 6:
            maps.append(_known(physical, struct.unpack_from("<4xH", data)[0]))
        elif kind == 2 and length == 64 and data[5:28].rstrip(b"\0") == b"*UDF Metadata Partition":
            number, at = struct.unpack_from("<38xHI", data)
            here = Partitions((_known(physical, number),))
            extents = read_extents(source, here, tags.Address(_BLOCK, at, 0)).extents
            if len(extents) > _MAX_METADATA:
                raise damaged(f"its UDF metadata lie in {len(extents)} pieces")
            maps.append(MetadataPartition(extents))
        else:
            raise damaged(
                "its UDF is of a kind that only rewritable discs have", "Use the ISO as its publisher offers it."
            )
        offset += length
    return Partitions(tuple(maps))


def _known(physical: dict[int, Partition], number: int) -> Partition:
    if number not in physical:
        raise damaged(f"its UDF partition {number} is missing")
    return physical[number]


def _identifiers(data: bytes) -> Iterator[tuple[int, int]]:
    """Give where each file identifier of a folder starts and ends; deleted ones and the parent are left out."""
    offset = 0
    for _number in range(MAX_ENTRIES):
        if offset + 38 > len(data):
            return
        (skip,) = struct.unpack_from("<H", data, offset + 36)
        end = offset + 38 + skip + data[offset + 19]
        # The identifier is padded to four bytes; some writers count the padding into its CRC.
        following = (end + 3) // 4 * 4
        if end > len(data) or tags.tag_of(data[offset:following], None) != _IDENTIFIER:
            raise damaged("a UDF folder whose entries make no sense")
        if not data[offset + 18] & (_DELETED | _PARENT):
            yield offset, end
        offset = following
    raise damaged("a UDF folder with too many entries")
