"""The card has no power management, and this kernel cannot pass such devices through.

Kernels 6.14 of Proxmox VE before 6.14.8-2 fail with devices that have no PCI power management capability. ``lspci
-vv`` shows that capability as ``Power Management version``; nearly every graphics card has it, some network cards'
virtual functions and controllers have not.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.lspci import PciListing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.knowledge import KERNEL_REGRESSIONS
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown

TITLE = "This kernel fails with devices that have no power management"
LAYER = Layer.RESET
SOURCES = ("proxmox-kernel-6.14 debian/changelog, 6.14.8-2", "Linux drivers/pci/pci.c, pci_pm_init()")
(_KNOWN,) = (item for item in KERNEL_REGRESSIONS if item.word == "no-pm")


def check(
    kernel: Kernel | Missing, target: Target | Missing, listing: PciListing | Missing, start: StartLog | Missing
) -> Outcome | None:
    """Compare the kernel with the card's capabilities."""
    if isinstance(kernel, Missing) or isinstance(target, Missing):
        return None
    card = target.card
    if card is None or not _KNOWN.has(kernel):
        return None
    entry = card.listed
    shown = [] if entry is None else [line for line in entry.lines if "Capabilities: [" in line.text]
    if entry is None or isinstance(listing, Missing) or not listing.verbose or not shown:
        return unknown("this kernel fails with devices without power management", kernel.line, missing=("lspci.txt",))
    power = entry.capability("Power Management version")
    if power:
        return passed(f"{card.bdf} has power management", power[0])
    message = f"{card.bdf} has no power management capability, and this kernel cannot pass that through"
    remedy = Remedy(_KNOWN.remedy)
    if not isinstance(start, Missing) and start.started:
        return noted(message, kernel.line, entry.line, remedy=remedy)
    return failed(
        message,
        kernel.line,
        entry.line,
        remedy=remedy,
        confidence=Confidence.LOW if isinstance(start, Missing) else Confidence.MEDIUM,
    )
