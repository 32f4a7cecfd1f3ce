"""Reserved regions of IOMMU groups: /sys/kernel/iommu_groups/N/reserved_regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.lspcitext import plain
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Region:
    """One region, both ends included. ``kind``: direct, direct-relaxable, msi or reserved."""

    start: int
    end: int
    kind: str
    line: Line


@dataclass(frozen=True, slots=True)
class ReservedRegions:
    """Regions by IOMMU group."""

    by_group: Mapping[int, tuple[Region, ...]]


_GROUP = Pattern(r"iommu_groups/(\d{1,6})\b|(?i:group)\W{0,3}(\d{1,6})\b|^\W*(\d{1,6})\b(?![0-9a-fx])")
_REGION = Pattern(r"0x([0-9a-fA-F]+)\s+0x([0-9a-fA-F]+)\s+([a-z][a-z-]*)")


def read(sources: Sources) -> ReservedRegions | Missing:
    """Read reserved_regions.txt: the file's lines below or after the number of their group."""
    lines = sources.of("reserved_regions.txt")
    if isinstance(lines, Missing):
        return lines
    found: dict[int, list[Region]] = {}
    group = None
    for line in lines:
        text = plain(line.text)
        region = _REGION.search(text)
        named = _GROUP.search(text[: region.start()] if region else text)
        if named:
            group = int(named[1] or named[2] or named[3])
            found.setdefault(group, [])
        if region and group is not None:
            item = Region(int(region[1], 16), int(region[2], 16), region[3], line)
            if all((item.start, item.end, item.kind) != (old.start, old.end, old.kind) for old in found[group]):
                found[group].append(item)
    if not found and any(line.text.strip() for line in lines):
        return Missing("reserved_regions.txt", "tells no group of its regions")
    return ReservedRegions({number: tuple(regions) for number, regions in found.items()})
