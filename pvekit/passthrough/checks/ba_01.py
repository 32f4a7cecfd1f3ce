"""A BAR of the card has no address on the host.

The firmware or the kernel found no place for it. The guest then sees a card without that memory. ``lspci -vv`` shows
``Memory at <unassigned>``, ``/sys/bus/pci/devices/.../resource`` a line whose address is zero, and the kernel log
``can't assign; no space`` without a later ``assigned`` for the same BAR. Behind it is a memory window that is too
small, see FW-04, FW-05 and FW-12. ROM and I/O regions without an address do not matter.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import barmap
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.unplaced import unplaced

TITLE = "A BAR of the card has no address on the host"
LAYER = Layer.BARS
FOLLOWS = ("FW-04", "FW-05", "FW-12")
SOURCES = (
    "Linux drivers/pci/setup-res.c, pci_assign_resource()",
    "pciutils lspci.c, show_bases()",
)
_REMEDY = Remedy(
    "Switch on decoding above 4 GiB in the firmware setup, or give the card another slot, or remove a card. "
    "pci=realloc on the kernel command line helps on some machines.",
    risk="addresses of other devices may change",
)


def check(target: Target | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look at every memory BAR of the card."""
    if isinstance(target, Missing):
        return None
    lost = unplaced(target, log)
    if lost:
        first = lost[0]
        how_much = f" ({barmap.human(first.size)})" if first.size else ""
        return failed(
            f"BAR {first.number} of {first.bdf}{how_much} has no address on the host",
            first.line,
            remedy=_REMEDY,
            confidence=Confidence.HIGH if first.read else Confidence.MEDIUM,
        )
    placed = [item for device in target.functions for item in barmap.bars(device) if item.start is not None]
    known = [item.line for item in placed if item.line is not None]
    return passed("the card's BARs have addresses on the host", *dict.fromkeys(known)) if known else None
