"""The ROM file belongs to another card, or still has the header of a flash tool.

The file for ``romfile=`` has to begin with the bytes 55 AA. Files from NVFlash or GPU-Z, and of some collections,
have a header in front of them; guest firmware then finds no ROM. The file's vendor and device have to be those of the
card, or the guest's firmware does not use it. The rom-parser tool prints where the first image begins and for which
device it is.
"""

from __future__ import annotations

from pvekit.model.bundle import Bundle
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import romdump
from pvekit.passthrough.aimed import assigned
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "The ROM file does not fit the card"
LAYER = Layer.ROM
SOURCES = (
    "awilliam/rom-parser rom-parser.c",
    "PCI Firmware Specification: expansion ROM header (55 AA) and PCI data structure (vendor and device)",
)
_REMEDY = Remedy(
    "Take the dump of exactly this card and cut everything before the first 55 AA off it.",
    risk="the file is used by the VM only; nothing is written into the card",
)


def check(bundle: Bundle, vms: VmConfigs | Missing, target: Target | Missing) -> Outcome | None:
    """Compare the images with the card."""
    images = romdump.images(bundle)
    if not images:
        return None
    entry = assigned(vms, target)
    used = entry is not None and bool(entry[1].options.get("romfile"))
    first = images[0]
    card = None if isinstance(target, Missing) else target.card
    wrong = ""
    if first.at:
        wrong = f"the ROM begins only at byte {first.at:#x} of the file; something stands in front of it"
    elif card is not None and card.vendor and first.vendor not in ("0000", card.vendor):
        wrong = f"the ROM is for a device of vendor {first.vendor}, the card is {card.id}"
    elif card is not None and card.device and first.device not in ("0000", card.device):
        wrong = f"the ROM is for {first.vendor}:{first.device}, the card is {card.id}"
    if not wrong:
        return passed("the ROM begins with its signature and names this card", first.line) if card else None
    if not used or entry is None:
        return noted(f"{wrong}; the VM does not use a ROM file, as far as is known", first.line)
    return failed(wrong, first.line, entry[1].line, remedy=_REMEDY, confidence=Confidence.MEDIUM)
