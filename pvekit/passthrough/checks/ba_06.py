"""The guest's kernel does not move its bridges' windows, although there is room for the card's BAR.

The guest's root bus has a memory window that is large enough, yet the BAR got no address: the firmware gave the
bridge above the card a window that is too small, and Linux leaves it as it is. ``pci=realloc`` in the guest lets it
set them anew.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import guestbars
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed

TITLE = "The guest needs pci=realloc to place the card's BAR"
LAYER = Layer.BARS
FOLLOWS = ("BA-01",)
SOURCES = (
    "Linux Documentation/admin-guide/kernel-parameters.txt, pci=realloc",
    "Linux drivers/pci/setup-bus.c, pci_assign_unassigned_root_bus_resources()",
)
_REMEDY = Remedy("Add pci=realloc to the guest's kernel command line, or use bios: ovmf with machine: q35.")


def check(guest: GuestLog | Missing, target: Target | Missing) -> Outcome | None:
    """Compare the BAR with the guest's windows."""
    lost = guestbars.lost(guest)
    if lost is None or guestbars.host_places(target) is False or not lost.size or not lost.window:
        return None
    if lost.window < lost.size:
        return passed("the guest's memory window is too small in any case", *lost.evidence)
    if lost.realloc:
        return passed("the guest runs with pci=realloc already", lost.realloc)
    return failed(
        f"a BAR of {guestbars.human(lost.size)} has no address in the guest, whose window of "
        f"{guestbars.human(lost.window)} would have room for it",
        *lost.evidence,
        remedy=_REMEDY,
        confidence=Confidence.MEDIUM,
    )
