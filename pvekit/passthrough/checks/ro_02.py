"""The card's ROM has no UEFI part, and the VM boots with OVMF.

A ROM holds images for different firmware. OVMF can use only an EFI driver (type 3, the GOP); a ROM with nothing but a
legacy BIOS image (type 0) gives no picture before the guest's driver runs. The rom-parser tool prints the images. For
a card without outputs, or one that only computes, it does not matter.
"""

from __future__ import annotations

from pvekit.model.bundle import Bundle
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import romdump
from pvekit.passthrough.aimed import config
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "The card's ROM has no UEFI driver, and the VM boots by UEFI"
LAYER = Layer.ROM
SOURCES = (
    "awilliam/rom-parser rom-parser.c (the text and the types)",
    "pve-docs qm-pci-passthrough.adoc, on OVMF compatible GPUs",
)
_REMEDY = Remedy(
    "Use SeaBIOS with the i440fx or q35 machine for this card, or a ROM of this very card with a UEFI driver in "
    "romfile=. For compute only, leave it and keep an emulated display.",
    risk="a changed ROM in a file is safe; writing one into the card is not",
)
_DISPLAY = "0300"


def check(bundle: Bundle, vms: VmConfigs | Missing, target: Target | Missing) -> Outcome | None:
    """Look for an EFI image."""
    images = romdump.images(bundle)
    if not any(image.kind in (0, 3) for image in images):
        return None
    efi = [image for image in images if image.kind == 3]
    if efi:
        return passed("the ROM has a UEFI driver", efi[0].line)
    vm = config(vms, target)
    card = None if isinstance(target, Missing) else target.card
    if vm is None or vm.values.get("bios") != "ovmf" or (card is not None and card.klass not in ("", _DISPLAY)):
        return noted("the ROM has no UEFI driver; that matters only for a picture under OVMF", images[0].line)
    return failed(
        "the ROM has only a legacy BIOS image, and the VM boots with OVMF",
        images[0].line,
        vm.lines["bios"],
        remedy=_REMEDY,
        confidence=Confidence.MEDIUM,
    )
