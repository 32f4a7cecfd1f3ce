"""Which root port a bus is behind. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.lspcitext import ADDRESS, address
from pvekit.passthrough.pattern import Pattern

_LOGGED = Pattern(rf"\bpci ({ADDRESS}): PCI bridge to \[bus ([0-9a-f]{{2}})(?:-([0-9a-f]{{2}}))?\]")
_LISTED = Pattern(r"Bus: primary=([0-9a-f]{2}), secondary=([0-9a-f]{2}), subordinate=([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge and the buses behind it, both ends included."""

    bdf: Bdf
    first: int
    last: int


@dataclass(frozen=True)
class Topology:
    """The bridges that are known."""

    bridges: tuple[Bridge, ...]

    def port_of(self, bdf: Bdf) -> Bdf | None:
        """Return the outermost bridge above a device; None when none is known."""
        above = [item for item in self.bridges if item.bdf.domain == bdf.domain and item.first <= bdf.bus <= item.last]
        outer = min(above, key=lambda item: (item.bdf.bus, item.first - item.last), default=None)
        return None if outer is None else outer.bdf

    def buses_of(self, port: str) -> frozenset[int]:
        """Return the buses behind all functions of a root port, such as ``00:03``."""
        return frozenset(
            bus
            for item in self.bridges
            if item.bdf.domain == 0 and f"{item.bdf.bus:02x}:{item.bdf.device:02x}" == port
            for bus in range(item.first, item.last + 1)
        )


def topology(devices: Devices | Missing, log: KernelLog | Missing) -> Topology:
    """Read the bridges from lspci, else from the kernel log."""
    found = {item.bdf: item for item in _logged(log)}
    found |= {item.bdf: item for item in _listed(devices)}
    return Topology(tuple(sorted(found.values(), key=lambda item: item.bdf)))


def _logged(log: KernelLog | Missing) -> Iterable[Bridge]:
    if isinstance(log, Missing):
        return
    for match, _ in log.find(_LOGGED):
        bdf = address(match[1])
        if bdf is not None:
            yield Bridge(bdf, int(match[2], 16), int(match[3] or match[2], 16))


def _listed(devices: Devices | Missing) -> Iterable[Bridge]:
    if isinstance(devices, Missing):
        return
    for device in devices:
        if device.listed is None or not device.bridge:
            continue
        match = _LISTED.search(device.listed.text)
        if match is not None and int(match[2], 16):
            yield Bridge(device.bdf, int(match[2], 16), int(match[3], 16))
