"""UDF file entries: where a file's bytes are (ECMA-167 4/14.6 to 14.9, 14.17)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pvekit.adapters.media import udf_tags as tags
from pvekit.adapters.media.source import ByteSource, Extent, ExtentSource, damaged
from pvekit.adapters.media.udf_partitions import Partitions

_BLOCK = tags.BLOCK
_CONTINUATION, _FILE, _EXTENDED_FILE = 258, 261, 266
# Where the two lengths stand (extended attributes, allocation descriptors); both tables follow them.
_LENGTHS = {_FILE: 168, _EXTENDED_FILE: 208}
_SHORT, _LONG, _INSIDE = 0, 1, 3
# An extent holds up to 1 GiB; a file in more pieces than this is no file of an installation medium.
_MAX_EXTENTS = 4096
_MAX_CONTINUATIONS = 64


@dataclass(frozen=True, slots=True)
class FileExtents:
    """A file's stretches and its size in bytes."""

    extents: tuple[Extent, ...]
    size: int


def read_file_entry(source: ByteSource, partitions: Partitions, at: tags.Address) -> ExtentSource:
    """Return the bytes of the file whose entry is at ``at``. Raises ImageInvalid."""
    found = read_extents(source, partitions, at)
    return ExtentSource(source, found.extents, found.size)


def read_extents(source: ByteSource, partitions: Partitions, at: tags.Address) -> FileExtents:
    """Read a file entry. Raises ImageInvalid."""
    place = partitions.locate(at.partition, at.block, _BLOCK)
    data = ExtentSource(source, place, _BLOCK).read_at(0, _BLOCK)
    kind = tags.expect(data, at.block, _FILE, _EXTENDED_FILE)
    strategy, form = struct.unpack_from("<20xH12xH", data)
    if strategy != 4:
        raise damaged(f"a UDF file entry with strategy {strategy}, which only write-once discs have")
    (size,) = struct.unpack_from("<Q", data, 56)
    before, length = struct.unpack_from("<II", data, _LENGTHS[kind])
    start = _LENGTHS[kind] + 8 + before
    if start + length > _BLOCK:
        raise damaged("a UDF file entry that is longer than its block")
    if form & 7 == _INSIDE:
        if size > length:
            raise damaged("a UDF file entry that holds less than it says")
        offset = place[0].offset
        return FileExtents((Extent(None if offset is None else offset + start, size),), size)
    addresses = _addresses(source, partitions, data[start : start + length], form & 7, at.partition)
    return FileExtents(_stretches(partitions, addresses), size)


def _addresses(
    source: ByteSource, partitions: Partitions, table: bytes, form: int, partition: int
) -> list[tags.Address]:
    """Read the allocation descriptors of a file, and the blocks that continue them."""
    found: list[tags.Address] = []
    for _hop in range(_MAX_CONTINUATIONS):
        addresses = _table(table, form, partition)
        following = next((each for each in addresses if each.kind == tags.CONTINUES), None)
        for each in addresses:
            if each.length == 0 or each.kind == tags.CONTINUES:
                break
            found.append(each)
        if len(found) > _MAX_EXTENTS:
            break
        if following is None or following.length == 0:
            return found
        data = partitions.read(source, following.partition, following.block, _BLOCK)
        tags.expect(data, following.block, _CONTINUATION)
        (length,) = struct.unpack_from("<I", data, 20)
        table = data[24 : 24 + length]
        partition = following.partition
    raise damaged("a UDF file in more pieces than any real one")


def _table(table: bytes, form: int, partition: int) -> list[tags.Address]:
    """Read one table of allocation descriptors."""
    if form == _SHORT:
        return [tags.short_address(table, offset, partition) for offset in range(0, len(table) - 7, 8)]
    if form == _LONG:
        return [tags.long_address(table, offset) for offset in range(0, len(table) - 15, 16)]
    raise damaged(f"a UDF file entry with allocation descriptors of kind {form}")


def _stretches(partitions: Partitions, addresses: list[tags.Address]) -> tuple[Extent, ...]:
    """Return where the addresses are in the image; those not recorded are zeros."""
    found: list[Extent] = []
    for each in addresses:
        if each.kind == tags.RECORDED:
            found.extend(partitions.locate(each.partition, each.block, each.length))
        else:
            found.append(Extent(None, each.length))
    return tuple(found)
