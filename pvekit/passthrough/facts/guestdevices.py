"""PCI devices that the guest sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.lspci import PciEntry, listing
from pvekit.passthrough.facts.sources import Sources

EMULATED = frozenset({"1234", "1af4", "1b36", "15ad", "1013", "1414", "80ee", "5853"})
"""Vendors of display devices that a hypervisor makes up."""


@dataclass(frozen=True)
class GuestDevices:
    """Devices by address, from guest/lspci.txt. ``whole``: all that the guest has."""

    devices: Mapping[Bdf, PciEntry]
    whole: bool = False


def read(sources: Sources) -> GuestDevices | Missing:
    """Read guest/lspci.txt."""
    lines = sources.of("guest/lspci.txt")
    if isinstance(lines, Missing):
        return lines
    found = listing(lines)
    if not found.devices and any(line.text.strip() for line in lines):
        return Missing("guest/lspci.txt", "holds no listing of lspci")
    return GuestDevices(found.devices, found.whole)
