"""The card is behind a PCIe-to-PCI bridge, and such a bridge makes one group of all that is behind it.

Behind the bridge the devices share its address on the PCIe side, so the IOMMU cannot tell them apart. No option
changes that, the ACS override neither. Old PCI slots of current boards are made in this way (HP Z440: slot 6).
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import blocks, members
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The card is behind a PCIe-to-PCI bridge"
LAYER = Layer.GROUPS
SOURCES = ("Linux drivers/iommu/iommu.c, pci_device_group()", "Linux drivers/pci/search.c, pci_for_each_dma_alias()")
_REMEDY = Remedy("Put the card into a PCI Express slot.")
_KIND = Pattern(r"PCI-Express to PCI/PCI-X Bridge|\[Subtractive decode\]")
_NAME = Pattern(r"(?i)PCI-?e(?:xpress)?[- ]to[- ]PCI\b|PCI Express to PCI Bridge")


def check(target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look for such a bridge among the members of the target's group."""
    if isinstance(target, Missing) or isinstance(devices, Missing):
        return None
    known: list[Line] = []
    for group in members(target, devices, start):
        known += [device.line for device in group.own]
        bridges = [device for device in group.bridges if _to_pci(device)]
        if not bridges:
            continue
        others = [device for device in group.strangers if blocks(device) is not False]
        if others:
            return failed(
                f"{bridges[0].bdf} is a bridge to PCI: all that is behind it is group {group.group}",
                bridges[0].line, *[device.line for device in others[:4]], remedy=_REMEDY,
            )  # fmt: skip
        return noted(f"the card is behind the bridge to PCI {bridges[0].bdf}, but alone there", bridges[0].line)
    return passed("the card is not behind a PCIe-to-PCI bridge", *known[:4]) if known else None


def _to_pci(device: Device) -> bool:
    if device.klass not in {"0604", ""} or (not device.bridge and device.klass):
        return False
    lines = device.listed.lines if device.listed is not None else (device.line,)
    return any(_KIND.search(line.text) for line in lines) or _NAME.search(device.name) is not None
