"""The address in hostpci was that of a graphics card, and now belongs to another device.

A card that is added, moved or taken out gives other devices new bus numbers. A raw address then silently passes
whatever is there, in the worst case the disk or network card of the host. It shows where the entry has options that
only a graphics card has (x-vga, romfile) and the device at the address is none. A resource mapping is safe from this.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import HostPci, VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import given, in_question, named, on

TITLE = "The address belongs to another device now"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer/PCI.pm, parse_hostpci()", "pve-guest-common PVE/Mapping/PCI.pm, assert_valid()")
_REMEDY = Remedy(
    "Do not start the VM. Put the card's present address into hostpci (lspci -nn), or use a resource mapping.",
    risk="Starting the VM takes the other device from the host.",
)


def _for_graphics(entry: HostPci) -> bool:
    return on(entry.options.get("x-vga")) or "romfile" in entry.options


def check(vms: VmConfigs | Missing, target: Target | Missing, devices: Devices | Missing) -> Outcome | None:
    """Compare entries that are meant for a graphics card with what is at the address."""
    if isinstance(devices, Missing):
        return None
    seen: Device | None = None
    for vm in in_question(vms, target):
        taken = [device for entry in vm.hostpci for device in given(entry, devices)]
        for entry in vm.hostpci:
            here = [device for device in given(entry, devices) if device.klass]
            if not here or not _for_graphics(entry):
                continue
            seen = next((device for device in here if device.gpu), None)
            elsewhere = next((item for item in devices if item.gpu and item not in taken and not item.boot_vga), None)
            if seen is None and elsewhere is not None and not on(entry.options.get("legacy-igd")):
                return failed(
                    f"{entry.key} of {named(vm)} is set up for a graphics card, and {here[0].bdf} is none",
                    entry.line, here[0].line, elsewhere.line, remedy=_REMEDY, confidence=Confidence.MEDIUM,
                )  # fmt: skip
    return None if seen is None else passed("the address is that of a graphics card", seen.line)
