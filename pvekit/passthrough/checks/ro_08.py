"""A message about an invalid ROM that breaks nothing.

``Invalid PCI ROM header signature`` is also said about integrated graphics, which have no ROM of their own, and about
cards whose ROM the VM takes from a file. On a device that is not passed through it says nothing about passthrough at
all.
"""

from __future__ import annotations

from pvekit.model.finding import Layer
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.aimed import ADDRESS, assigned, is_target
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, noted
from pvekit.passthrough.pattern import Pattern

TITLE = "A harmless message about a ROM"
LAYER = Layer.ROM
SOURCES = ("Linux drivers/pci/rom.c, pci_get_rom_size()", "Linux arch/x86/pci/fixup.c, pci_fixup_video()")
_INVALID = Pattern(rf"{ADDRESS}: Invalid PCI ROM header signature: expecting 0xaa55, got ")


def check(log: KernelLog | Missing, target: Target | Missing, vms: VmConfigs | Missing) -> Outcome | None:
    """Look for the message where it means nothing."""
    if isinstance(log, Missing):
        return None
    entry = assigned(vms, target)
    for match, line in log.find(_INVALID):
        bdf = Bdf.parse(match["bdf"])
        ours = is_target(bdf, target)
        if ours is False:
            return noted(f"the ROM of {bdf} is not readable, which does not matter: it is not passed through", line)
        if ours and entry is not None and entry[1].options.get("romfile"):
            return noted(f"the ROM of {bdf} is not readable, which does not matter: the VM has a file", line)
    return None
