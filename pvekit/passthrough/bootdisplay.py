"""Which card the firmware's boot screen is on. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import barmap
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.lspcitext import ADDRESS, address
from pvekit.passthrough.pattern import Pattern

_ASSIGNED = Pattern(rf"({ADDRESS}): BAR (\d): assigned to efifb")
_AT = Pattern(r"(?:efifb|vesafb|simple-framebuffer\.0): framebuffer at 0x([0-9a-f]{1,16})")
_BOOT_VGA = Pattern(rf"({ADDRESS}): vgaarb: setting as boot VGA device")


@dataclass(frozen=True, slots=True)
class BootDisplay:
    """The card with the boot screen. ``bar`` is the region that holds it, ``at`` its address; None when not told."""

    bdf: Bdf
    bar: int | None
    at: int | None
    lines: tuple[Line, ...]


def places(device: Device, iomem: Iomem | Missing | None = None) -> tuple[barmap.Placed, ...]:
    """Return the memory regions of a device from /sys, lspci, the kernel log or /proc/iomem, the best there is."""
    found = barmap.bars(device)
    if found:
        return found
    logged = tuple(
        barmap.Placed(bar.number, bar.start, bar.end, bar.size, bar.prefetchable, bar.bits == 64, bar.line)
        for bar in device.bars
        if not bar.io and bar.number <= 5 and bar.size
    )
    return logged or barmap.bars(device, iomem)


def boot_display(devices: Devices | Missing, log: KernelLog | Missing, iomem: Iomem | Missing) -> BootDisplay | None:
    """Return it: the owner in /proc/iomem, else what the kernel log says, else the boot VGA device."""
    known = () if isinstance(devices, Missing) else tuple(device for device in devices if device.gpu)
    if not isinstance(iomem, Missing):
        for device in known:
            regions = places(device, iomem)
            for claim in barmap.claims(iomem, device.bdf, regions):
                number = _holding(regions, claim.range.start)
                return BootDisplay(device.bdf, number, claim.range.start, (claim.range.line,))
    return _logged(known, log) or next(
        (BootDisplay(device.bdf, None, None, (device.line,)) for device in known if device.boot_vga), None
    )


def _logged(known: tuple[Device, ...], log: KernelLog | Missing) -> BootDisplay | None:
    if isinstance(log, Missing):
        return None
    assigned, at, boot = log.first(_ASSIGNED), log.first(_AT), list(log.find(_BOOT_VGA))
    start = int(at[0][1], 16) if at is not None else None
    lines = tuple(hit[1] for hit in (assigned, at) if hit is not None)
    bdf = None if assigned is None else address(assigned[0][1])
    if assigned is not None and bdf is not None:
        return BootDisplay(bdf, int(assigned[0][2]), start, lines)
    for device in known:
        number = None if start is None else _holding(places(device), start)
        if number is not None:
            return BootDisplay(device.bdf, number, start, lines)
    bdf = address(boot[-1][0][1]) if boot else None
    return None if bdf is None else BootDisplay(bdf, None, start, (*lines, boot[-1][1]))


def _holding(regions: tuple[barmap.Placed, ...], start: int) -> int | None:
    for item in regions:
        if item.start is not None and item.end is not None and item.start <= start <= item.end:
            return item.number
    return None
