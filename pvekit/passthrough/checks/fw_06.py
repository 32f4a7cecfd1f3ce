"""The machine started in legacy (CSM) mode, and the card that is to be passed through was set up by its VGA BIOS.

The kernel then hands out the copy at C0000 instead of the card's own ROM: ``Video device with shadowed ROM at [mem
0x000c0000-0x000dffff]``. The same line is printed for the boot card of machines that started by UEFI, so it says
something only together with a legacy start (no ``efi: EFI v...`` in a whole kernel log, no ``/sys/firmware/efi``).
It breaks nothing by itself; a guest with UEFI (OVMF) may get no picture.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, said_of_target
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "Legacy start: the card was set up by its VGA BIOS"
LAYER = Layer.ROM
SOURCES = ("Linux arch/x86/pci/fixup.c, pci_fixup_video()",)
_SHADOWED = Pattern(rf"{ADDRESS}: Video device with shadowed ROM at \[mem 0x000c0000-0x000dffff\]")
_ROM = Pattern(rf"vfio-pci {ADDRESS}: Invalid PCI ROM header signature: expecting 0xaa55")
_REMEDY = Remedy(
    "Start the machine by UEFI and set the option ROM policy to UEFI, or make another card the first one.",
    risk="a host that was installed for legacy start needs its boot loader again",
)


def check(target: Target | Missing, boot: Boot | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look for a legacy start with the target as the first card."""
    if isinstance(target, Missing) or isinstance(boot, Missing):
        return None
    shadowed = said_of_target(log, _SHADOWED, target)
    if not shadowed:
        return None
    if boot.uefi:
        return passed("the machine started by UEFI", *boot.evidence)
    if boot.uefi is None:
        return None
    rom = said_of_target(log, _ROM, target)
    message = f"legacy start, and the ROM of {shadowed[0].bdf} is a copy at C0000"
    if rom:
        return failed(message, shadowed[0].line, rom[0].line, remedy=_REMEDY, confidence=Confidence.LOW)
    return noted(message, shadowed[0].line, remedy=_REMEDY)
