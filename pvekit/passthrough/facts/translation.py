"""Whether the IOMMU translates DMA, by everything that tells it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.iommu import IommuClass
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Translation:
    """``works`` None: what was seen contradicts itself. ``sure``: state or a message says it, not a part of a log."""

    works: bool | None
    sure: bool
    why: str
    evidence: tuple[Line, ...]


_ON = Pattern(
    r"Adding to iommu group \d|iommu: Adding device \S+ to group \d"
    r"|(?:DMAR|PCI-DMA): Intel\(R\) Virtualization Technology for Directed I/O"
    r"|(?:DMAR|IOMMU)\S*:? .*\b[Uu]sing (?:Queued|Register based) invalidation"
    r"|AMD-Vi: Found IOMMU (?:at|cap) ?\S+|AMD-Vi: Virtual APIC enabled|AMD-Vi: Lazy IO/TLB flushing enabled"
)
"""Printed once translation is set up. ``DMAR: IOMMU enabled`` is not among them: it only repeats the option."""

_NOT_PRESENT = Pattern(r"cannot prepare PCI pass-?through, IOMMU not present")
_BOUNCE = Pattern(r"PCI-DMA: Using software bounce buffering for IO \(SWIOTLB\)")
_INTEL_TABLE = Pattern(r"DMAR: DRHD base: 0x")
_LATE = Pattern(
    r"PCI-DMA: Using software bounce|Initialise system trusted keyrings|Freeing unused kernel|Run /\S+ as init"
    r"|systemd\[1\]: "
)
"""The kernel prints these when the IOMMU's turn is over."""
_SUBSYSTEM = Pattern(r"iommu: Default domain type: ")
"""Printed with an IOMMU and without; whoever searched for this word would have found the groups as well."""
_FILTERED = Pattern(r"dmar|iommu|amd-vi", re.IGNORECASE)


def read(
    iommu: IommuClass | Missing, groups: IommuGroups | Missing, log: KernelLog | Missing, start: StartLog | Missing
) -> Translation | Missing:
    """Find out; Missing when nothing tells it."""
    on = _positive(iommu, groups, log)
    off = _negative(iommu, groups, start)
    if on is not None and off is not None:
        lines = (*off.evidence, *on.evidence)
        return Translation(None, False, "the evidence is of several times: with translation, and without", lines)
    found = on or off or _by_log(log)
    return found or Missing("sys_class_iommu.txt", "nothing tells whether DMA is translated")


def _positive(
    iommu: IommuClass | Missing, groups: IommuGroups | Missing, log: KernelLog | Missing
) -> Translation | None:  # fmt: skip
    if not isinstance(iommu, Missing) and iommu.names:
        return Translation(True, True, f"the kernel uses {', '.join(iommu.names)}", iommu.evidence)
    if not isinstance(log, Missing) and (hit := log.first(_ON)):
        return Translation(True, True, "the kernel log says that translation was set up", (hit[1],))
    if not isinstance(groups, Missing) and groups.members:
        return Translation(True, True, "there are IOMMU groups", tuple(groups.lines.values())[:1])
    return None


def _negative(
    iommu: IommuClass | Missing, groups: IommuGroups | Missing, start: StartLog | Missing
) -> Translation | None:  # fmt: skip
    if not isinstance(iommu, Missing) and not iommu.names:
        return Translation(False, True, "/sys/class/iommu is empty", iommu.evidence)
    if not isinstance(start, Missing) and (hit := start.first(_NOT_PRESENT)):
        return Translation(False, True, "the start of the VM found no IOMMU", (hit[1],))
    if not isinstance(groups, Missing) and groups.whole and not groups.members:
        return Translation(False, True, "there are no IOMMU groups", tuple(groups.lines.values())[:1])
    return None


def _by_log(log: KernelLog | Missing) -> Translation | None:
    """Judge a log that does not say that translation was set up: that tells something where it would have been said."""
    if isinstance(log, Missing):
        return None
    late = log.first(_LATE)
    if log.whole and late is not None:
        return Translation(False, True, "the kernel log, which is whole, does not say that translation was set up",
                           (late[1],))  # fmt: skip
    texts = [entry.text for entry in log.entries]
    filtered = all(_FILTERED.search(text) for text in texts)
    table, bounce = log.first(_INTEL_TABLE), log.first(_BOUNCE)
    if table is None:
        ready = log.first(_SUBSYSTEM) if filtered else None
        why = "the lines about the IOMMU do not say that it was set up"
        return None if ready is None else Translation(False, False, why, (ready[1],))
    every = filtered and any(text.startswith("DMAR: ") and "DRHD" not in text and "IOMMU" not in text for text in texts)
    if bounce is None and not every:
        return None
    lines = (table[1],) if bounce is None else (table[1], bounce[1])
    return Translation(False, False, "the kernel log lists IOMMUs but does not say that they were set up", lines)
