"""The PCI devices, from all that speaks of them: /sys, lspci, the groups' list and the kernel log."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.lspci import ROM_BAR, Bar, PciEntry, PciListing
from pvekit.passthrough.facts.sysfs import PciSysfs, Resource, SysfsDevice
from pvekit.passthrough.lspcitext import ADDRESS, Head, address, class_of
from pvekit.passthrough.pattern import Pattern

GPU_CLASSES = frozenset({"0300", "0301", "0302", "0380"})


@dataclass(frozen=True)
class Device:
    """One device. Texts are "" and values None where nothing tells them; ``driver`` "" means that none is bound.

    ``bars`` are its memory and port regions, the ROM left out: from /sys, else lspci, else the kernel log.
    """

    bdf: Bdf
    klass: str
    vendor: str
    device: str
    subsystem: str
    name: str
    driver: str | None
    group: int | None
    boot_vga: bool | None
    line: Line
    listed: PciEntry | None = None
    sysfs: SysfsDevice | None = None
    bars: tuple[Bar, ...] = ()

    @property
    def driver_line(self) -> Line:
        """Return the line that tells the driver."""
        if self.sysfs is not None and self.sysfs.driver is not None:
            return self.sysfs.line
        return self.line if self.listed is None else self.listed.showing("Kernel driver in use")

    @property
    def id(self) -> str:
        """Return ``vendor:device``; ":" when unknown."""
        return f"{self.vendor}:{self.device}"

    @property
    def bridge(self) -> bool:
        """Return whether it is a bridge, which PVE and QEMU leave alone."""
        return self.klass.startswith("06")

    @property
    def gpu(self) -> bool:
        """Return whether it is a display or compute card."""
        return self.klass in GPU_CLASSES


@dataclass(frozen=True)
class Devices:
    """Devices by address. ``whole``: all devices of the host."""

    by_bdf: Mapping[Bdf, Device]
    whole: bool = False

    def __iter__(self) -> Iterator[Device]:
        """Yield them in the order of their addresses."""
        return iter([self.by_bdf[bdf] for bdf in sorted(self.by_bdf)])

    def slot_of(self, bdf: Bdf) -> tuple[Device, ...]:
        """Return all functions of the same slot."""
        return tuple(device for device in self if device.bdf.slot == bdf.slot)

    def group_of(self, group: int) -> tuple[Device, ...]:
        """Return all devices of an IOMMU group."""
        return tuple(device for device in self if device.group == group)


_FOUND = Pattern(rf"\bpci ({ADDRESS}): \[([0-9a-f]{{4}}):([0-9a-f]{{4}})\] type \w+ class 0x([0-9a-f]{{4}})")
_BAR = Pattern(
    rf"\bpci ({ADDRESS}): (?:reg 0x([0-9a-f]{{2}})|BAR (\d)):? "
    r"(?:assigned |no space for |failed to assign |can't assign )?"
    r"\[(mem|io) {1,2}(?:size )?0x([0-9a-f]{1,16})(?:-0x([0-9a-f]{1,16}))?([^\]]*)\](.*)"
)
_BOOT_VGA = Pattern(rf"({ADDRESS}): vgaarb: setting as boot VGA device|setting as boot device: (?:PCI:)?({ADDRESS})")
_IO, _PREFETCH, _MEM_64, _UNSET = 0x100, 0x2000, 0x100000, 0x20000000


def read(
    sysfs: PciSysfs | Missing, listing: PciListing | Missing, groups: IommuGroups | Missing, log: KernelLog | Missing
) -> Devices | Missing:
    """Merge them; /sys wins, then lspci, then the groups' list, then the log's ``[10de:1c07] type 00 class``."""
    found = {} if isinstance(log, Missing) else _of_log(log)
    if not isinstance(groups, Missing):
        numbers = {bdf: number for number, members in groups.members.items() for bdf in members}
        for bdf, line in groups.lines.items():
            found[bdf] = _of_groups(found.get(bdf) or _bare(bdf, line), groups.named.get(bdf), numbers.get(bdf), line)
    if not isinstance(listing, Missing):
        for entry in listing.devices.values():
            found[entry.bdf] = _of_listing(found.get(entry.bdf), entry)
    if not isinstance(sysfs, Missing):
        for item in sysfs.devices.values():
            found[item.bdf] = _of_sysfs(found.get(item.bdf), item)
    if not found:
        return Missing("lspci.txt", "nothing lists the PCI devices")
    parts = (sysfs, listing, log)
    whole = any(not isinstance(part, Missing) and part.whole for part in parts)
    listed = not isinstance(groups, Missing) and groups.whole and bool(groups.members)
    return Devices(found, whole or listed)


def _bare(bdf: Bdf, line: Line) -> Device:
    return Device(bdf, "", "", "", "", "", None, None, None, line)


def _of_groups(before: Device, named: Head | None, group: int | None, line: Line) -> Device:
    if named is None:
        return replace(before, group=group)
    return replace(
        before,
        klass=named.klass or class_of(named.class_name) or before.klass,
        vendor=named.vendor or before.vendor,
        device=named.device or before.device,
        name=named.name or before.name,
        driver=named.driver or before.driver,
        group=group,
        line=line,
    )


def _of_listing(known: Device | None, entry: PciEntry) -> Device:
    before = known or _bare(entry.bdf, entry.line)
    return replace(
        before,
        klass=entry.klass or class_of(entry.class_name) or before.klass,
        vendor=entry.vendor or before.vendor,
        device=entry.device or before.device,
        subsystem=entry.subsystem or before.subsystem,
        name=entry.name or before.name,
        driver=before.driver if entry.driver is None else entry.driver,
        group=before.group if entry.group is None else entry.group,
        line=entry.line,
        listed=entry,
        bars=entry.bars or before.bars,
    )


def _of_sysfs(known: Device | None, item: SysfsDevice) -> Device:
    before = known or _bare(item.bdf, item.line)
    subsystem = ":".join(_hex(item, f"subsystem_{part}") for part in ("vendor", "device"))
    return replace(
        before,
        klass=_hex(item, "class") or before.klass,
        vendor=_hex(item, "vendor") or before.vendor,
        device=_hex(item, "device") or before.device,
        subsystem=subsystem if len(subsystem) == 9 else before.subsystem,
        driver=before.driver if item.driver is None else item.driver,
        group=before.group if item.group is None else item.group,
        boot_vga=before.boot_vga if item.boot_vga is None else item.boot_vga,
        sysfs=item,
        bars=tuple(_bar(row, item.line) for row in item.resources if row.number < ROM_BAR and row.flags) or before.bars,
    )


def _hex(item: SysfsDevice, key: str) -> str:
    found = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{4})(?:[0-9a-fA-F]{2})?", item.values.get(key, ""))
    return found[1].lower() if found else ""


def _bar(row: Resource, line: Line) -> Bar:
    placed = bool(row.start) and not row.flags & _UNSET
    return Bar(
        row.number,
        row.start if placed else None,
        row.size or None,
        64 if row.flags & _MEM_64 else 32,
        bool(row.flags & _PREFETCH),
        "" if placed else "unassigned",
        line,
        bool(row.flags & _IO),
    )


def _of_log(log: KernelLog) -> dict[Bdf, Device]:
    found: dict[Bdf, Device] = {}
    for match, line in log.find(_FOUND):
        bdf = address(match[1])
        if bdf is not None:
            found[bdf] = replace(_bare(bdf, line), klass=match[4], vendor=match[2], device=match[3])
    bars: dict[Bdf, dict[int, Bar]] = {}
    for match, line in log.find(_BAR):
        bdf = address(match[1])
        if bdf in found and bdf is not None and (bar := _logged(match, line)).number < ROM_BAR:
            bars.setdefault(bdf, {})[bar.number] = bar
    for bdf, numbered in bars.items():
        found[bdf] = replace(found[bdf], bars=tuple(numbered[number] for number in sorted(numbered)))
    boot = [address(match[1] or match[2]) for match, _ in log.find(_BOOT_VGA)]
    if boot:
        # The last one counts: the kernel corrects itself when a better card follows.
        for bdf, device in found.items():
            if device.klass == "0300":
                found[bdf] = replace(device, boot_vga=bdf == boot[-1])
    return found


def _logged(match: re.Match[str], line: Line) -> Bar:
    """Read ``reg 0x14: [mem 0x..-0x.. 64bit pref]``, ``BAR 1 [mem ..]`` and what came of it later."""
    number = (int(match[2], 16) - 0x10) // 4 if match[2] else int(match[3])
    start = int(match[5], 16) if match[6] else 0
    size = int(match[6], 16) - start + 1 if match[6] else int(match[5], 16)
    bad = not start or bool(re.search(r"can't|fail|no space|releasing", match[0]))
    return Bar(
        max(number, 0), None if bad else start, size if size > 0 else None, 64 if "64bit" in match[7] else 32,
        "pref" in match[7], "unassigned" if bad else "", line, match[4] == "io",
    )  # fmt: skip
