"""Reading the ROM of a Radeon RX 6000 or 7000 card makes it hang.

On some of these cards the read of the ROM BAR at the start of a VM gives 0xffff and leaves the card dead: right after
``Invalid PCI ROM header signature`` come ``not ready ... after bus reset`` and ``Unable to change power state from
D3cold``, until the next cold start. When the card was dead before, the same ROM message is only its consequence; what
was said first decides.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import assigned
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.knowledge import architecture
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.resets import Sign, failures

TITLE = "Reading the card's ROM makes it hang"
LAYER = Layer.ROM
SOURCES = (
    "public reports on RX 6000 and RX 7000 cards with vfio-pci (the vee project's page on the Navi ROM BAR)",
    "Linux drivers/pci/rom.c; drivers/pci/pci.c, pci_dev_wait() and pci_power_up()",
)
_REMEDY = Remedy(
    "Switch the host off and on, then set rombar=0 in hostpci, and romfile= with a dump of this card where a picture "
    "before the driver is wanted."
)
_SOON = 180.0
_AFTER = (Sign.BUS, Sign.FLR, Sign.D3)


def check(log: KernelLog | Missing, target: Target | Missing, vms: VmConfigs | Missing) -> Outcome | None:
    """Look for a card that dies right after its ROM was read."""
    if isinstance(target, Missing) or target.card is None:
        return None
    card = target.card
    if architecture(card.vendor, card.device, card.name) not in ("navi2", "navi3"):
        return None
    how = failures(log, target)
    rom = how.of(Sign.ROM)
    entry = assigned(vms, target)
    if entry is not None and entry[1].options.get("rombar") in ("0", "off"):
        return passed("the VM does not read the card's ROM", entry[1].line)
    if not rom:
        return None
    if how.first(Sign.ROM, *_AFTER) is not Sign.ROM:
        return passed("the card failed before its ROM was read", rom[0].line)
    after = sorted((item for sign in _AFTER for item in how.of(sign)), key=lambda item: item.place)
    if not after or rom[0].match["got"] != "0xffff":
        return None
    one, two = rom[0].seconds, after[0].seconds
    if one is not None and two is not None and two - one > _SOON:
        return None
    return failed(
        "the card hangs from the moment its ROM is read",
        rom[0].line,
        after[0].line,
        card.line,
        remedy=_REMEDY,
        confidence=Confidence.MEDIUM,
    )
