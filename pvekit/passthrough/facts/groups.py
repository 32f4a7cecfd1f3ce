"""The IOMMU groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import grouptext
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.lspci import PciListing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.facts.sysfs import PciSysfs
from pvekit.passthrough.lspcitext import ADDRESS, Head, address


@dataclass(frozen=True)
class IommuGroups:
    """Members by group; ``whole`` when the text lists all groups of the host (a looked-up list, not a kernel log).

    An empty, whole list says that there are no groups. ``named`` is what the list says about devices besides.
    ``listed``: made group by group, so that a group that is there has all its members.
    """

    members: Mapping[int, tuple[Bdf, ...]]
    lines: Mapping[Bdf, Line]
    whole: bool = True
    named: Mapping[Bdf, Head] = field(default_factory=dict)
    listed: bool = False

    def of(self, bdf: Bdf) -> int | None:
        """Return the group of a device; None when the list has none."""
        return next((group for group, members in self.members.items() if bdf in members), None)


_ADDING = (
    rf"({ADDRESS}): Adding to iommu group (\d{{1,6}})\b"
    rf"|Adding device ({ADDRESS}) to group (\d{{1,6}})\b"
)


def read(
    sources: Sources, sysfs: PciSysfs | Missing, listing: PciListing | Missing, log: KernelLog | Missing
) -> IommuGroups | Missing:  # fmt: skip
    """Read iommu_groups.txt in any of its forms, else /sys, ``IOMMU group:`` of lspci or the kernel log."""
    lines = sources.of("iommu_groups.txt")
    if not isinstance(lines, Missing):
        text = grouptext.groups(lines)
        if text.group or text.none or not any(line.text.strip() for line in lines):
            whole = text.whole and (not text.group or _covers(text.group, listing))
            return replace(_made(text.group, text.line, whole, text.named), listed=not text.single)
    for found in (_of_sysfs(sysfs), _of_listing(listing), _of_log(log)):
        if found is not None:
            return found
    return lines if isinstance(lines, Missing) else Missing("iommu_groups.txt", "holds no list of groups")


def _covers(group: Mapping[Bdf, int], listing: PciListing | Missing) -> bool:
    """Return whether a list was not cut off: lspci of the whole host shows hardly more than it."""
    if isinstance(listing, Missing) or not listing.whole:
        return True
    known = [bdf for bdf in listing.devices if bdf.domain == 0]
    return sum(bdf not in group for bdf in known) * 5 <= len(known)


def _made(
    group: Mapping[Bdf, int], lines: Mapping[Bdf, Line], whole: bool, named: Mapping[Bdf, Head] | None = None
) -> IommuGroups:  # fmt: skip
    members: dict[int, list[Bdf]] = {}
    for bdf, number in sorted(group.items(), key=lambda item: (item[1], item[0])):
        members.setdefault(number, []).append(bdf)
    return IommuGroups({number: tuple(found) for number, found in members.items()}, lines, whole, named or {})


def _of_sysfs(sysfs: PciSysfs | Missing) -> IommuGroups | None:
    if isinstance(sysfs, Missing):
        return None
    told = [item for item in sysfs.devices.values() if {"group", "iommu_group"} & set(item.values)]
    if not told:
        return None
    group = {item.bdf: item.group for item in told if item.group is not None}
    whole = sysfs.whole and len(told) == len(sysfs.devices)
    return _made(group, {bdf: sysfs.devices[bdf].line for bdf in group}, whole) if group or whole else None


def _of_listing(listing: PciListing | Missing) -> IommuGroups | None:
    if isinstance(listing, Missing):
        return None
    group = {item.bdf: item.group for item in listing.devices.values() if item.group is not None}
    lines = {bdf: listing.devices[bdf].showing("IOMMU group") for bdf in group}
    # Only a listing in which nearly all devices have a group was made by an lspci that shows it for each.
    whole = listing.whole and len(group) * 10 > len(listing.devices) * 9
    return _made(group, lines, whole) if group else None


def _of_log(log: KernelLog | Missing) -> IommuGroups | None:
    if isinstance(log, Missing):
        return None
    group: dict[Bdf, int] = {}
    lines: dict[Bdf, Line] = {}
    for found, line in log.find(_ADDING):
        bdf = address(found[1] or found[3])
        if bdf is not None:
            group[bdf], lines[bdf] = int(found[2] or found[4]), line
    return _made(group, lines, log.whole) if group else None
