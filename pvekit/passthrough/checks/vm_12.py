"""What the VM's configuration names is not there, or is another device than the one that was recorded.

PVE looks up every address at start: ``no PCI device found for '01:00'``. A resource mapping also records what the
device is; when a card was added or moved and the buses got new numbers, PVE says ``PCI device mapping invalid
(hardware probably changed)`` and what differs: the ids, those of the subsystem or the IOMMU group. A raw address has
no such protection.
"""

from __future__ import annotations

import re

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.mappings import Mapped, PciMappings, whole
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import HostPci, VmConfigs
from pvekit.passthrough.lspcitext import address
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import given, in_question, named, said

TITLE = "The address or mapping does not fit the hardware"
LAYER = Layer.VM
SOURCES = (
    "qemu-server PVE/QemuServer/PCI.pm, parse_hostpci() and prepare_pci_device()",
    "pve-guest-common PVE/Mapping/PCI.pm, assert_valid()",
)
_REMEDY = Remedy(
    "Look up the card's address (lspci -nn) and correct the hostpci line, or make the resource mapping again "
    "(Datacenter, Resource Mappings)."
)
_SAID = (
    r"PCI device mapping invalid \(hardware probably changed\)|PCI device mapping not found for '[^']+'|"
    r"no PCI device found for '[^']+'|[Nn]o pci device info for device '[0-9a-f:]+\.0'"
)


_NUMBERS = Pattern(r"[0-9a-f]{4}:[0-9a-f]{4}", re.IGNORECASE)


def check(
    vms: VmConfigs | Missing, target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing,
    mappings: PciMappings | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for the refusal, then for an address that no device has and for a mapping that does not fit."""
    hit = said(_SAID, start)
    if hit is not None:
        return failed(f"PVE refused the start: {hit[0][0]}", hit[1], remedy=_REMEDY, confidence=Confidence.MEDIUM)
    seen = None
    for vm in in_question(vms, target):
        for entry in vm.hostpci:
            if entry.mapping:
                wrong = _mapping(entry, named(vm), mappings, devices)
                if wrong is not None:
                    return wrong
                seen = seen or (entry if given(entry, devices) else None)
                continue
            if isinstance(devices, Missing):
                continue
            if given(entry, devices):
                seen = entry
            elif devices.whole and entry.host:
                return failed(f"{entry.key} of {named(vm)} names {', '.join(entry.host)}, where there is no device",
                              entry.line, remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    return None if seen is None else passed("the configured address is that of a device", seen.line)


def _mapping(
    entry: HostPci, who: str, mappings: PciMappings | Missing, devices: Devices | Missing
) -> Outcome | None:  # fmt: skip
    """Compare a mapping with the devices as PVE does at the start; None where it fits, or where nobody can tell.

    With several devices PVE takes one that is free, but it wants all of them to be right.
    """
    if isinstance(mappings, Missing):
        return None
    if entry.mapping not in mappings.entries:
        return failed(
            f"{entry.key} of {who} names the mapping {entry.mapping}, which does not exist", entry.line, remedy=_REMEDY
        )
    for item in () if isinstance(devices, Missing) else mappings.here[entry.mapping]:
        for place, path in enumerate(item.paths):
            bdf = address(whole(path))
            device = None if isinstance(devices, Missing) or bdf is None else devices.by_bdf.get(bdf)
            if device is not None:
                text = _differs(item, device, first=place == 0)
                lines = [entry.line, item.line, device.line]
            elif not isinstance(devices, Missing) and devices.whole:
                text, lines = f"there is no device {bdf}", [entry.line, item.line]
            else:
                continue
            if text:
                return failed(
                    f"the mapping {entry.mapping} of {who} does not fit the hardware: {text}", *lines, remedy=_REMEDY
                )
    return None


def _differs(item: Mapped, device: Device, *, first: bool) -> str:
    """Return what was recorded otherwise than it is; PVE looks at the group of the first device only."""
    subsystem = device.subsystem if _NUMBERS.fullmatch(device.subsystem) else ""
    pairs = [
        ("id", item.id, device.id if device.vendor and device.device else ""),
        ("subsystem-id", item.subsystem, subsystem),
    ]
    if first and item.group is not None and device.group is not None:
        pairs.append(("iommugroup", str(item.group), str(device.group)))
    for name, recorded, real in pairs:
        if recorded and real and recorded != real.lower():
            return f"{name} of {device.bdf} is {real}, recorded is {recorded}"
    return ""
