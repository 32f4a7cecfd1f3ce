"""A port above the card has no Access Control Services (ACS), so everything below it is one group.

The kernel can separate two devices only where the ports above them promise to send their traffic up to the IOMMU. A
root port or switch port without the ACS capability makes no such promise, and all that hangs below (or beside, in the
same multi-function device) shares a group. Intel chipset ports that do it without the capability are known to the
kernel: ``Intel PCH root port ACS workaround enabled``. A port without ACS does no harm as long as only the card is
below it.
"""

from __future__ import annotations

import re

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.lspci import PciEntry, PciListing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import blocks, members
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "A port above the card has no ACS"
LAYER = Layer.GROUPS
SOURCES = (
    "Linux drivers/iommu/iommu.c, pci_device_group()",
    "Linux drivers/pci/quirks.c, pci_dev_specific_acs_enabled() and pci_quirk_enable_intel_pch_acs()",
)
_REMEDY = Remedy(
    "Put the card into a slot whose port has ACS, usually one at the processor; or switch on ACS in the firmware."
)
_BUSES = Pattern(r"Bus: primary=([0-9a-f]{2}), secondary=([0-9a-f]{2}), subordinate=([0-9a-f]{2})")
_PORT = Pattern(r"Express \(v\d\) (Root Port|Downstream Port|Upstream Port)")


def check(
    target: Target | Missing, devices: Devices | Missing, listing: PciListing | Missing, start: StartLog | Missing,
    log: KernelLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look at the ports in the target's group that lspci shows without ACS."""
    if isinstance(target, Missing) or isinstance(devices, Missing) or isinstance(listing, Missing):
        return None
    for group in members(target, devices, start):
        ports = [listing.devices[item.bdf] for item in group.bridges if item.bdf in listing.devices]
        ports = [port for port in ports if _port(port) in {"Root Port", "Downstream Port"}]
        bare = [port for port in ports if not port.capability("Access Control Services") and not _quirked(port, log)]
        above = [port for port in bare if any(_below(port, device.bdf.bus) for device in group.own)]
        strangers = [device for device in group.strangers if blocks(device) is not False]
        if above and strangers:
            return failed(
                f"port {above[0].bdf} above the card has no ACS, and {strangers[0].bdf} shares group "
                f"{group.group} with it",
                above[0].line, strangers[0].line, remedy=_REMEDY,
            )  # fmt: skip
        if bare and strangers:
            return failed(
                f"port {bare[0].bdf} in group {group.group} has no ACS",
                bare[0].line, strangers[0].line, remedy=_REMEDY, confidence=Confidence.LOW,
            )  # fmt: skip
        if above:
            return noted(f"port {above[0].bdf} has no ACS, but only the card is below it", above[0].line)
    path = [
        entry for entry in listing.devices.values() if any(_below(entry, item.bdf.bus) for item in target.functions)
    ]
    seen = [entry for entry in path if _port(entry) == "Root Port" and entry.capability("Access Control Services")]
    if seen:
        return passed("the port above the card has ACS", seen[0].capability("Access Control Services")[0])
    return None


def _port(entry: PciEntry) -> str:
    """Return the kind of port; "" where lspci was not allowed to read the capabilities or it is none."""
    found = next((match for line in entry.lines if (match := _PORT.search(line.text))), None)
    return found[1] if found else ""


def _below(entry: PciEntry, bus: int) -> bool:
    found = next((match for line in entry.lines if (match := _BUSES.search(line.text))), None)
    return found is not None and int(found[2], 16) <= bus <= int(found[3], 16)


def _quirked(entry: PciEntry, log: KernelLog | Missing) -> bool:
    if isinstance(log, Missing):
        return False
    return (
        log.first(rf"{re.escape(str(entry.bdf))}: Intel (?:PCH root port|SPT PCH root port) ACS workaround") is not None
    )
