"""A mediated device (``mdev=``, vGPU) is asked of a card or a slot that cannot give one.

PVE refuses: ``pci device '0000:01:00.0' does not support mediated devices``, ``has no type``, ``has no available
instances``, or ``cannot use mediated device with multifunction device`` when all functions (01:00) are passed.
Ordinary cards have no mediated devices, and those that can need the vendor's host driver.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import in_question, said

TITLE = "No mediated devices"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer/PCI/Mdev.pm and PCI.pm, parse_hostpci()",)
FOLLOWS = ("PV-05",)
_SAID = (
    r"pci device '[^']+' (?:does not support mediated devices|has no type '[^']+')|"
    r"pci device '[^']+' has no available instances of '[^']+'|"
    r"cannot use mediated device with multifunction device|no nvidia sysfs api for '[^']+'|"
    r"vgpu type '[^']+' not available for '[^']+'"
)
_REMEDY = Remedy(
    "Take mdev= out to pass the card as a whole, or install the vendor's vGPU host driver and take a type that is free."
)


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look for the refusal."""
    hit = said(_SAID, start)
    shared = [entry for vm in in_question(vms, target) for entry in vm.hostpci if "mdev" in entry.options]
    if hit is not None:
        return failed(f"PVE refused the mediated device: {hit[0][0]}", hit[1], *(entry.line for entry in shared[:1]),
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    if shared and not isinstance(start, Missing) and start.started:
        return passed("the VM started with its mediated device", shared[0].line)
    return None
