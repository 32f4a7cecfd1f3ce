"""The card that is to be passed through is the one on which the host shows its console.

``boot_vga`` of the card is 1 in /sys, and the kernel log says ``vgaarb: setting as boot VGA device``. That works on
many machines; the host only loses its console. What can follow from it is found by itself: the boot framebuffer in
a BAR (FB-01, FB-02) and a ROM that cannot be read (RO-01).
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, said_of_target
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The card is the host's first graphics card"
LAYER = Layer.FRAMEBUFFER
SOURCES = (
    "Linux drivers/pci/vgaarb.c, vga_arbiter_add_pci_device()",
    "Linux drivers/pci/pci-sysfs.c, boot_vga_show()",
)
_FIRST = Pattern(rf"{ADDRESS}: vgaarb: (?:setting as boot (?:VGA )?device|bridge control possible.*boot)")
_REMEDY = Remedy(
    "Make another card the first one in the firmware setup, or exchange the cards' slots. Otherwise reach the host "
    "over the network: its own screen goes dark.",
    risk="the host loses its console",
)


def check(target: Target | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look at boot_vga of the target."""
    if isinstance(target, Missing):
        return None
    card = target.card
    first = None if card is None else card.boot_vga
    said = said_of_target(log, _FIRST, target)
    if first is None and said:
        return noted(f"{said[0].bdf} is the host's first graphics card", said[0].line, remedy=_REMEDY)
    if card is None or first is None:
        return None
    if first:
        return noted(f"{card.bdf} is the host's first graphics card", card.line, remedy=_REMEDY)
    return passed("the host's console is not on this card", card.line)
