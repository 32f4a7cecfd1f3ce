"""Where a device's BARs lie, and who else has claimed a part of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.devices import Device
from pvekit.passthrough.facts.iomem import Iomem, Range
from pvekit.passthrough.facts.windows import RootWindows, Window
from pvekit.passthrough.pattern import Pattern

_MEM = 0x200
_PREFETCH = 0x2000
_MEM_64 = 0x100000

EFIFB, SIMPLE, BOOT, VESA = "efifb", "simple-framebuffer", "BOOTFB", "vesafb"
_OWNERS = {
    "efifb": EFIFB,
    "BOOTFB": BOOT,
    "simplefb": SIMPLE,
    "simpledrm": SIMPLE,
    "simple-framebuffer": SIMPLE,
    "simple-framebuffer.0": SIMPLE,
    "simpledrmdrmfb": SIMPLE,
    "efidrm": SIMPLE,
    "vesadrm": SIMPLE,
    "vesafb": VESA,
}


@dataclass(frozen=True, slots=True)
class Placed:
    """One memory BAR, both ends included. ``start`` None: it was given no address. ``size`` None: not told."""

    number: int
    start: int | None
    end: int | None
    size: int | None
    prefetchable: bool = False
    wide: bool = False
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A boot framebuffer inside a BAR. ``kind`` is one of EFIFB, SIMPLE, BOOT and VESA."""

    bdf: Bdf
    kind: str
    range: Range


def bars(device: Device, iomem: Iomem | Missing | None = None) -> tuple[Placed, ...]:
    """Return the memory BARs of a device: from /sys, else from lspci, else from the owners in /proc/iomem."""
    found = _from_sysfs(device) or _from_lspci(device)
    if found or iomem is None or isinstance(iomem, Missing):
        return found
    return tuple(
        Placed(number, item.start, item.end, item.end - item.start + 1, line=item.line)
        for number, item in enumerate(owned(iomem, device.bdf))
    )


def _from_sysfs(device: Device) -> tuple[Placed, ...]:
    if device.sysfs is None:
        return ()
    found = []
    for item in device.sysfs.resources:
        if item.number > 5 or not item.flags & _MEM:
            continue
        placed = bool(item.start)
        size = item.end - item.start + 1 if item.end else None
        found.append(
            Placed(
                item.number,
                item.start if placed else None,
                item.end if placed else None,
                size,
                bool(item.flags & _PREFETCH),
                bool(item.flags & _MEM_64),
                device.sysfs.line,
            )
        )
    return tuple(found)


def _from_lspci(device: Device) -> tuple[Placed, ...]:
    if device.listed is None:
        return ()
    return tuple(
        Placed(
            bar.number,
            bar.start,
            bar.start + bar.size - 1 if bar.start is not None and bar.size else bar.start,
            bar.size,
            bar.prefetchable,
            bar.bits == 64,
            bar.line,
        )
        for bar in device.listed.bars
        if not bar.io and bar.number <= 5 and "virtual" not in bar.state
    )


def owned(iomem: Iomem, bdf: Bdf) -> tuple[Range, ...]:
    """Return the ranges that /proc/iomem gives to a device under its own address."""
    return tuple(item for item in iomem.ranges if item.owner == str(bdf))


def claims(iomem: Iomem, bdf: Bdf, places: Iterable[Placed]) -> tuple[Claim, ...]:
    """Return the boot framebuffers inside the BARs of a device."""
    areas = [(item.start, item.end) for item in places if item.start is not None and item.end is not None]
    areas += [(item.start, item.end) for item in owned(iomem, bdf)]
    found = {
        item: Claim(bdf, kind, item)
        for start, end in areas
        for item in iomem.inside(start, end)
        if (kind := framebuffer(item)) and start <= item.start and item.end <= end
    }
    return tuple(found.values())


def framebuffer(item: Range) -> str:
    """Return the kind of boot framebuffer that owns a range; empty when something else does."""
    return _OWNERS.get(item.owner.strip(), "")


@dataclass(frozen=True, slots=True)
class Sum:
    """What the memory BARs of some devices need, against the windows of the root buses, in bytes."""

    low: int
    high: int
    low_window: int
    high_window: int
    unplaced: tuple[tuple[Bdf, Placed], ...]


def add_up(devices: Iterable[Device], windows: RootWindows | Missing) -> Sum:
    """Add up BARs below and above 4 GiB; a BAR that was given no address counts where it could lie."""
    low = high = 0
    unplaced: list[tuple[Bdf, Placed]] = []
    for device in devices:
        for bar in bars(device):
            size = bar.size or 0
            above = bar.start >= 1 << 32 if bar.start is not None else bar.wide and bar.prefetchable
            low, high = (low, high + size) if above else (low + size, high)
            if bar.start is None:
                unplaced.append((device.bdf, bar))
    known: tuple[Window, ...] = () if isinstance(windows, Missing) else windows.windows
    return Sum(
        low,
        high,
        sum(item.end - item.start + 1 for item in known if not item.high),
        sum(item.end - item.start + 1 for item in known if item.high),
        tuple(unplaced),
    )


_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = Pattern(r"(\d{1,9})\s*([KMGT]?)i?B?")


def size(text: str) -> int:
    """Return the bytes of ``256M``, ``16GB`` or ``32768K``; 0 when it is no size."""
    found = _SIZE.fullmatch(text.strip())
    return int(found[1]) * _UNITS[found[2]] if found else 0


def human(number: int) -> str:
    """Return a number of bytes as a person reads it."""
    for unit, factor in (("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= factor:
            return f"{number / factor:.4g} {unit}"
    return f"{number} bytes"
