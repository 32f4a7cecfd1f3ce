"""Another process holds the card's VFIO group.

A group can be open only once. ``failed to open /dev/vfio/N: Device or resource busy`` means that another VM, or a
QEMU of this VM that did not end, has it. Cards in one group cannot go to two VMs.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import names
from pvekit.passthrough.outcome import Outcome, failed
from pvekit.passthrough.pattern import Pattern

TITLE = "Another process holds the VFIO group"
LAYER = Layer.BINDING
SOURCES = (
    "QEMU hw/vfio/container.c, vfio_group_get()",
    "Linux drivers/vfio/group.c, vfio_group_fops_open()",
)
_BUSY = Pattern(
    r"(?i)(?:failed to open|error opening|could not open) '?/dev/vfio/(?:\d+|devices/vfio\d+)'?:"
    r" Device or resource busy"
)
_REMEDY = Remedy("Stop the other VM or end the leftover process; lsof /dev/vfio/* names it.")


def check(start: StartLog | Missing, target: Target | Missing) -> Outcome | None:
    """Look for the refusal."""
    if isinstance(start, Missing):
        return None
    for _, line in start.find(_BUSY):
        if isinstance(target, Missing) or names(line, target):
            return failed(
                "another process has the card's group open", line, remedy=_REMEDY, confidence=Confidence.MEDIUM
            )
    return None
