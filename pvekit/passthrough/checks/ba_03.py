"""A resizable BAR was left large.

With Resizable BAR the firmware or a host driver makes the card's large BAR as big as its memory. The guest then needs
an address window for all of it, its driver has to cope with it, and the host's IOMMU has to reach it. Some guests do
not start or show Code 43. ``lspci -vvv`` shows ``Physical Resizable BAR`` with the current size.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import barmap, guestbars
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "A resizable BAR was left large"
LAYER = Layer.BARS
SOURCES = (
    "pciutils ls-ecaps.c, cap_rebar() (the text)",
    "Linux Documentation/ABI/testing/sysfs-bus-pci, resourceN_resize",
    "ArchWiki, PCI passthrough via OVMF",
)
_REMEDY = Remedy(
    "Switch Resizable BAR off in the firmware setup, or write a smaller size to resourceN_resize of the card before "
    "vfio-pci takes it (8 means 256 MiB)."
)
_CURRENT = Pattern(r"BAR (?P<bar>\d): current size: (?P<size>\d{1,9}[KMGT]?B)")
_MAPPED = Pattern(r"dma_map\([^,]+, 0x[0-9a-f]{1,16}, 0x(?P<size>[0-9a-f]{1,16}), [^)]*\) = -\d+")
_USUAL = 256 << 20


def check(target: Target | Missing, guest: GuestLog | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look at the current size, and for somebody who stumbled over it."""
    if isinstance(target, Missing):
        return None
    if target.card is None or target.card.listed is None:
        return None
    found = [
        (line, barmap.size(match["size"]))
        for line in target.card.listed.capability("Physical Resizable BAR")
        if (match := _CURRENT.search(line.text))
    ]
    if not found:
        return None
    line, size = max(found, key=lambda item: item[1])
    if size <= _USUAL:
        return passed("the card's resizable BAR has its usual size", line)
    lost = guestbars.lost(guest)
    if lost is not None and lost.size == size:
        return failed(
            f"the BAR was made {barmap.human(size)} large, and the guest has no room for it",
            line,
            *lost.evidence[:1],
            remedy=_REMEDY,
            confidence=Confidence.LOW,
        )
    if not isinstance(start, Missing):
        for match, where in start.find(_MAPPED):
            if int(match["size"], 16) == size:
                return failed(
                    f"the BAR was made {barmap.human(size)} large, and QEMU cannot map it",
                    line,
                    where,
                    remedy=_REMEDY,
                    confidence=Confidence.LOW,
                )
    return noted(f"the card's BAR is {barmap.human(size)} large; not every guest copes", line, remedy=_REMEDY)
