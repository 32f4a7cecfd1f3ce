"""What the VM's configuration names is not there, or is another device than the one that was recorded.

PVE looks up every address at start: ``no PCI device found for '01:00'``. A resource mapping also records what the
device is; when a card was added or moved and the buses got new numbers, PVE says ``PCI device mapping invalid
(hardware probably changed)`` and what differs. A raw address has no such protection.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
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


def check(
    vms: VmConfigs | Missing, target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing
) -> Outcome | None:
    """Look for the refusal, then for an address that no device has."""
    hit = said(_SAID, start)
    if hit is not None:
        return failed(f"PVE refused the start: {hit[0][0]}", hit[1], remedy=_REMEDY, confidence=Confidence.MEDIUM)
    seen = None
    for vm in in_question(vms, target):
        for entry in vm.hostpci:
            if entry.mapping or isinstance(devices, Missing):
                continue
            if given(entry, devices):
                seen = entry
            elif devices.whole and entry.host:
                return failed(f"{entry.key} of {named(vm)} names {', '.join(entry.host)}, where there is no device",
                              entry.line, remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    return None if seen is None else passed("the configured address is that of a device", seen.line)
