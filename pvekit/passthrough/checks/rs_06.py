"""A bus reset of the card would need other devices of its bus as well.

Without a reset of its own the card is reset with its bus, and vfio does that only when every device on that bus
belongs to the VM. QEMU: ``Cannot reset device 0000:01:00.0, depends on group 1 which is not owned``; libvirt:
``Active 0000:01:00.1 devices on bus with 0000:01:00.0, not doing bus reset``. The card then keeps its state from one
start to the next. ``no available reset mechanism`` is said about devices inside the chipset and breaks nothing by
itself.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.aimed import ADDRESS, said_of_target
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted
from pvekit.passthrough.pattern import Pattern

TITLE = "The card's reset needs other devices of the bus"
LAYER = Layer.RESET
FOLLOWS = ("GR-06",)
SOURCES = (
    "QEMU hw/vfio/pci.c, vfio_pci_hot_reset_multi()",
    "libvirt src/util/virpci.c, virPCIDeviceTrySecondaryBusReset()",
)
_REMEDY = Remedy(
    "Pass all functions of the card on (on Proxmox VE host: 01:00 without .0), or move the other device to another "
    "slot."
)
_NEEDS = Pattern(rf"Cannot reset device {ADDRESS}, depends on (?P<kind>group|device) (?P<what>\S+) which is not owned")
_ACTIVE = Pattern(rf"Active (?P<other>[0-9a-f:.]+) devices on bus with {ADDRESS}, not doing bus reset")
_NONE = Pattern(rf"Cannot reset device {ADDRESS}, no available reset mechanism")


def check(start: StartLog | Missing, target: Target | Missing, devices: Devices | Missing) -> Outcome | None:
    """Look for the refusal and for the devices it speaks of."""
    if isinstance(start, Missing):
        return None
    needs = said_of_target(start, _NEEDS, target)
    active = said_of_target(start, _ACTIVE, target)
    if needs:
        kind, what = needs[0].match["kind"], needs[0].match["what"]
        others = _members(devices, int(what), needs[0].bdf) if kind == "group" and what.isdecimal() else []
        who = f": {', '.join(str(device.bdf) for device in others)}" if others else ""
        return failed(
            f"the reset of {needs[0].bdf} needs other devices, which the VM does not have ({kind} {what}){who}",
            needs[0].line,
            *(device.line for device in others),
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    if active:
        return failed(
            f"the reset of {active[0].bdf} needs {active[0].match['other']}, which is in use elsewhere",
            active[0].line,
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    none = said_of_target(start, _NONE, target)
    return noted(f"{none[0].bdf} cannot be reset at all; many devices do without", none[0].line) if none else None


def _members(devices: Devices | Missing, group: int, reset: Bdf) -> list[Device]:
    if isinstance(devices, Missing):
        return []
    return [device for device in devices.group_of(group) if not device.bridge and device.bdf != reset]
