"""Where the blocks of UDF's partitions are: a plain stretch of the image, or the metadata file of UDF 2.50."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.adapters.media import udf_tags as tags
from pvekit.adapters.media.source import ByteSource, Extent, ExtentSource, damaged

_BLOCK = tags.BLOCK


@dataclass(frozen=True, slots=True)
class Partition:
    """A plain partition: ``start`` and ``blocks`` in blocks of the image."""

    start: int
    blocks: int

    def locate(self, block: int, length: int) -> tuple[Extent, ...]:
        """Return where ``length`` bytes from ``block`` are in the image. Raises ImageInvalid."""
        if block * _BLOCK + length > self.blocks * _BLOCK:
            raise damaged(f"block {block} lies outside its UDF partition")
        return (Extent((self.start + block) * _BLOCK, length),)


@dataclass(frozen=True, slots=True)
class MetadataPartition:
    """The partition of UDF 2.50 that lies in a file of another one (UDF 2.2.10): the stretches of that file."""

    extents: tuple[Extent, ...]

    def locate(self, block: int, length: int) -> tuple[Extent, ...]:
        """Return where ``length`` bytes from ``block`` are in the image. Raises ImageInvalid."""
        found = []
        offset, start = block * _BLOCK, 0
        for extent in self.extents:
            low, high = max(offset, start), min(offset + length, start + extent.length)
            if low < high:
                place = None if extent.offset is None else extent.offset + low - start
                found.append(Extent(place, high - low))
            start += extent.length
        if sum(extent.length for extent in found) != length:
            raise damaged(f"block {block} lies outside its UDF metadata")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Partitions:
    """The partitions of a logical volume, in the order of their maps."""

    maps: tuple[Partition | MetadataPartition, ...]

    def locate(self, partition: int, block: int, length: int) -> tuple[Extent, ...]:
        """Return where bytes of a partition are in the image. Raises ImageInvalid."""
        if partition >= len(self.maps):
            raise damaged(f"there is no UDF partition {partition}")
        return self.maps[partition].locate(block, length)

    def read(self, source: ByteSource, partition: int, block: int, length: int) -> bytes:
        """Return bytes of a partition. Raises ImageInvalid."""
        return ExtentSource(source, self.locate(partition, block, length), length).read_at(0, length)
