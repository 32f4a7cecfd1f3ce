"""libvirt refuses the device because it cannot be reset.

When a device is taken from another driver than vfio-pci (Xen, or a stub), libvirt resets it itself and stops with
``Unable to reset PCI device 0000:03:00.0: no FLR, PM reset or bus reset available`` when it knows no way. Proxmox VE
goes on in that case (RS-09).
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, said_of_target
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The toolstack refuses a device that cannot be reset"
LAYER = Layer.RESET
FOLLOWS = ("RS-06",)
SOURCES = (
    "libvirt src/util/virpci.c, virPCIDeviceReset()",
    "Qubes OS documentation, PCI troubleshooting (no-strict-reset)",
)
_REMEDY = Remedy(
    "Bind the device to vfio-pci before the VM starts; with Qubes OS attach it with the option no-strict-reset=true.",
    risk="the device keeps what the guest before left in it",
)
_REFUSED = Pattern(
    rf"Unable to reset PCI device {ADDRESS}\"?: (?:internal error: )?no FLR, PM reset or bus reset available"
)
_GOES_ON = Pattern(r"failed to reset PCI device '[^']+', but trying to continue")


def check(start: StartLog | Missing, target: Target | Missing) -> Outcome | None:
    """Look for the refusal."""
    if isinstance(start, Missing):
        return None
    said = said_of_target(start, _REFUSED, target)
    if said:
        return failed(
            f"libvirt knows no way to reset {said[0].bdf} and does not start the VM",
            said[0].line,
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    goes_on = start.first(_GOES_ON)
    return passed("the toolstack goes on without a reset", goes_on[1]) if goes_on else None
