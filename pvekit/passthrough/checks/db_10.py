"""Something on the host uses the card while it shall go to the VM.

A desktop session, nvidia-persistenced, a container with the card: NVIDIA's driver cannot let go as long as a device
file is open. It says ``Attempting to remove device ... with non-zero usage count!`` and waits; the VM's start hangs
with it, and often only a reboot of the host helps.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import names, on_vfio
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The host still uses the card"
LAYER = Layer.BINDING
SOURCES = ("NVIDIA open-gpu-kernel-modules kernel-open/nvidia/nv-pci.c, nv_pci_remove_helper()",)
_IN_USE = Pattern(r"NVRM: Attempting to remove (?:minor )?device .*with non-zero usage count")
_REMEDY = Remedy(
    "Stop what uses the card (desktop session, nvidia-persistenced, containers) before the VM starts, or "
    "bind the card to "
    "vfio-pci from boot on.",
    "A driver that hangs in its removal needs a reboot of the host.",
)


def check(log: KernelLog | Missing, target: Target | Missing) -> Outcome | None:
    """Look for the driver's complaint about the target."""
    if isinstance(log, Missing):
        return None
    hits = [line for _, line in log.find(_IN_USE)]
    said = [line for line in hits if isinstance(target, Missing) or names(line, target)]
    card = None if isinstance(target, Missing) else target.card
    if said and card is not None and on_vfio(card):
        return noted("the host used the card when it was taken away; it is on vfio-pci now", said[0], card.driver_line)
    if said:
        return failed(
            "the host uses the card, and its driver cannot let go",
            *said[:2],
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    if card is not None and on_vfio(card):
        return passed("the card is on vfio-pci, so nothing on the host uses it", card.driver_line)
    return None
