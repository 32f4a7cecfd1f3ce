"""Two cards have the same vendor and device id, and vfio-pci takes both.

``ids=`` cannot tell two cards of one model apart. Where the host needs one of them (its display), give the other to
vfio-pci by its address: ``driver_override`` in the initramfs. Two such cards for two VMs are no fault.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import same_id, wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "Two cards have the id that vfio-pci takes"
LAYER = Layer.BINDING
SOURCES = (
    "Linux drivers/vfio/pci/vfio_pci.c, parameter ids: vendor:device[:subvendor[:subdevice]]",
    "Linux Documentation/ABI/testing/sysfs-bus-pci, driver_override",
)
_REMEDY = Remedy(
    "Bind by address: driver_override=vfio-pci for the card to pass, and take the id out of ids=.",
    "Addresses change when cards are added or moved.",
)


def check(
    target: Target | Missing, devices: Devices | Missing, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing
) -> Outcome | None:
    """Look for another card with the target's id that vfio-pci took as well."""
    if isinstance(target, Missing) or isinstance(devices, Missing):
        return None
    card = target.card
    if card is None or not card.vendor:
        return None
    ids = [entry for entry in wanted_ids(modprobe, cmdline) if entry.id == card.id.lower()]
    twins = [other for other in same_id(card, devices) if other.bdf not in set(target.bdfs)]
    wanted = wanted_by(card, ids)
    if not ids or wanted is None:
        return None
    if not twins:
        return passed("no other device has the card's id", wanted)
    taken = [other for other in twins if on_vfio(other)]
    lost = [other for other in taken if other.boot_vga]
    if lost:
        return failed(
            f"{lost[0].bdf} has the same id as the card and is on vfio-pci too, though it is the host's display",
            wanted, lost[0].line, remedy=_REMEDY, confidence=Confidence.LOW,
        )  # fmt: skip
    return noted(
        f"{twins[0].bdf} has the same id as the card; vfio-pci takes both", wanted, twins[0].line, remedy=_REMEDY
    )
