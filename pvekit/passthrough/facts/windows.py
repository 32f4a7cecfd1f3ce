"""The memory windows of the PCI root buses, from the kernel log or /proc/iomem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Window:
    """``root bus resource [mem start-end window]``, both ends included. ``bus`` as in ``pci_bus 0000:00``."""

    bus: str
    start: int
    end: int
    line: Line

    @property
    def high(self) -> bool:
        """Return whether it lies above 4 GiB."""
        return self.start >= 1 << 32


@dataclass(frozen=True)
class RootWindows:
    """All memory windows without the VGA area below 1 MiB."""

    windows: tuple[Window, ...]


_WINDOW = Pattern(
    r"pci_bus ([0-9a-f]{4,8}:[0-9a-f]{2}): root bus resource \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)(?: window)?\]"
)
_LEGACY_END = 0xFFFFF
_BUS = Pattern(r"PCI Bus ([0-9a-f]{4,8}:[0-9a-f]{2})")


def read(log: KernelLog | Missing, iomem: Iomem | Missing) -> RootWindows | Missing:
    """Read them from the kernel log, else from the outermost ranges of /proc/iomem."""
    if not isinstance(log, Missing):
        found = [Window(match[1], int(match[2], 16), int(match[3], 16), line) for match, line in log.find(_WINDOW)]
        if found:
            return _without_legacy(found)
    if not isinstance(iomem, Missing):
        outer = [(item, match) for item in iomem.ranges if item.depth == 0 and (match := _BUS.fullmatch(item.owner))]
        if outer:
            return _without_legacy([Window(match[1], item.start, item.end, item.line) for item, match in outer])
    return Missing("dmesg.txt", "no memory windows of the PCI root buses in a kernel log or in iomem.txt")


def _without_legacy(found: Iterable[Window]) -> RootWindows:
    """Leave out the VGA area and ROMs below 1 MiB, and what a log says twice."""
    windows = {(item.bus, item.start, item.end): item for item in found if item.end > _LEGACY_END}
    return RootWindows(tuple(windows.values()))
