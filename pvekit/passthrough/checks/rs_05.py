"""The card has dropped off the bus: everything read from it is ff.

``lspci`` shows ``(rev ff)`` or ``Unknown header type 7f``, because reads from a device that does not answer give only
ones. It is a state, not a cause: a failed reset (RS-01, RS-02), a sleep state without return (RS-03), power or cabling
lead to it. Only switching the host off and on brings the card back.

libvirt's ``Unknown PCI header type '127'`` and the guest's ``GPU has fallen off the bus`` are signs only: they also
come from a card that merely sleeps, or from a firmware that is known for it (FW-09).
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, said_of_target
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The card has dropped off the bus"
LAYER = Layer.RESET
FOLLOWS = ("RS-01", "RS-02", "RS-03", "RS-08", "RS-11", "RO-07", "DB-12", "FW-09")
SOURCES = (
    "pciutils lspci.c, show_verbose() (Unknown header type)",
    "Linux drivers/pci/probe.c, pci_setup_device()",
    "libvirt src/util/virpci.c, virPCIDeviceReadHeaderType()",
    "NVIDIA open-gpu-kernel-modules src/nvidia/arch/nvalloc/unix/src/osinit.c (fallen off the bus)",
)
_REMEDY = Remedy(
    "Switch the host off, wait some seconds, and on again. Then look at what was said before the card vanished: a "
    "failed reset, a sleep state, or power and cabling."
)
_HOST = Pattern(rf"{ADDRESS}: (?:unknown header type 7f, ignoring device|\[ffff:ffff\])")
_LIBVIRT = Pattern(r"Unknown PCI header type '127'")
_GUEST = Pattern(r"unknown header type 7f, ignoring device|NVRM: .*GPU .*has fallen off the bus")


def check(
    target: Target | Missing, log: KernelLog | Missing, start: StartLog | Missing, guest: GuestLog | Missing
) -> Outcome | None:
    """Look for a device that reads as ff."""
    functions = () if isinstance(target, Missing) else target.functions
    for device in functions:
        if device.listed is not None and device.listed.broken:
            return failed(f"{device.bdf} does not answer any more", device.listed.line, remedy=_REMEDY)
    said = [item.line for item in said_of_target(log, _HOST, target)[:1]]
    if said:
        return failed("the card does not answer any more", *said, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    sign = None if isinstance(start, Missing) else start.first(_LIBVIRT)
    if sign is None and not isinstance(guest, Missing):
        sign = guest.first(_GUEST)
    if sign is not None:
        return failed("the card did not answer", sign[1], remedy=_REMEDY, confidence=Confidence.LOW)
    listed = [device.listed.line for device in functions if device.listed is not None]
    return passed("the card answers", *listed) if listed else None
