"""QEMU cannot map a BAR into the guest.

``Failed to mmap 0000:01:00.0 BAR 1. Performance may be slow``, or many ``vfio_region_write(...) failed: Device or
resource busy``, mean that vfio-pci does not have that BAR for itself. Nearly always a boot framebuffer of the host
sits in it (FB-01, FB-02), and the kernel log says ``can't reserve`` at the same time. The guest's driver mostly fails
then.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, said_of_target
from pvekit.passthrough.bootfb import BUSY
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "QEMU cannot map a BAR of the card"
LAYER = Layer.BARS
FOLLOWS = ("FB-01", "FB-02", "FB-03", "BA-01", "RS-03", "RS-05")
SOURCES = (
    "QEMU hw/vfio/pci.c, vfio_bar_register(); hw/vfio/region.c, vfio_region_write()",
    "Linux drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_mmap(); vfio_pci_rdwr.c, vfio_pci_bar_rw()",
)
_REMEDY = Remedy("Find out who holds the BAR: see /proc/iomem (as root) while the VM runs.")
_RESERVE = Pattern(rf"vfio[-_]pci {ADDRESS}: BAR (?P<bar>\d).*can't reserve")


def check(start: StartLog | Missing, log: KernelLog | Missing, target: Target | Missing) -> Outcome | None:
    """Look for the message and for what the kernel said about it."""
    said = said_of_target(start, BUSY, target)
    if not said:
        return None
    line = said[0].line
    message = f"QEMU cannot map BAR {said[0].match['bar'] or said[0].match['region']} of {said[0].bdf}"
    held = said_of_target(log, _RESERVE, target)
    if held:
        return failed(message, line, held[0].line, confidence=Confidence.LOW)
    if isinstance(log, Missing) or not log.whole:
        return unknown(f"{message}; who holds it is not known", line, missing=("iomem.txt", "dmesg.txt"))
    return failed(message, line, remedy=_REMEDY, confidence=Confidence.MEDIUM)
