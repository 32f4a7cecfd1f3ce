"""A laptop's GPU is passed to Windows. NVIDIA's driver for such chips may want a battery in the VM.

Reported for OVMF: Code 43 that goes away when the guest is given an ACPI table with a battery. Nothing in the host's
files shows it, so this is a note.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.knowledge import NVIDIA
from pvekit.passthrough.outcome import Outcome, noted, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import in_question, ovmf, windows

TITLE = "A laptop's GPU may want a battery"
LAYER = Layer.GUEST
SOURCES = ("Arch Linux wiki, PCI passthrough via OVMF, error 43 with mobile GPUs",)
_MOBILE = Pattern(r"\bMobile\b|Max-Q|\bLaptop\b")


def check(vms: VmConfigs | Missing, target: Target | Missing) -> Outcome | None:
    """Look at the card's name."""
    card = None if isinstance(target, Missing) else target.card
    if card is None or card.vendor != NVIDIA or not card.name:
        return None
    vm = next((vm for vm in in_question(vms, target) if windows(vm) and ovmf(vm)), None)
    if vm is None:
        return None
    if _MOBILE.search(card.name) is None:
        return passed("the card is no laptop's", card.line)
    return noted("if Windows shows Code 43: the driver for a laptop's GPU may want a battery", card.line,
                 remedy=Remedy("Give the VM an ACPI table with a battery (args: -acpitable file=...)."))  # fmt: skip
