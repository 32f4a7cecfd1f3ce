"""The firmware's table about the IOMMU is broken, so the kernel cannot use it although it is switched on.

The kernel says ``Your BIOS is broken; DMAR reported at address 0!`` or ``... returns all ones!``, ``Parse DMAR
table failure``, ``No DMAR devices found`` or ``No DRHD structure found in DMAR table``. Some machines print the
first of these and work nevertheless, because only one of several entries is wrong: it counts only when nothing is
translated.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.outcome import Outcome, failed, noted, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "A firmware bug makes the IOMMU unusable"
LAYER = Layer.FIRMWARE
SOURCES = (
    "Linux drivers/iommu/intel/dmar.c, warn_invalid_dmar(), dmar_table_init(), parse_dmar_table()",
    "slimbootloader/slimbootloader#786",
)
_BROKEN = Pattern(r"Your BIOS is broken; DMAR reported at address [0-9a-f]+(?: returns all ones)?!")
_FATAL = Pattern(
    r"(?i:dmar: parse DMAR table failure)|DMAR: No DMAR devices found|No DRHD structure found in DMAR table"
    r"|DMAR: (?:Invalid DMAR haw|Unable to map DMAR|Record passes table end)"
)
_REMEDY = Remedy(
    "Update the firmware. Until then passthrough is not possible on this machine.",
    risk="a firmware update that fails can leave the board unusable",
)


def check(log: KernelLog | Missing, translation: Translation | Missing) -> Outcome | None:
    """Look for what the kernel says of the table, and whether it could use it all the same."""
    if isinstance(log, Missing):
        return None
    broken, fatal = log.first(_BROKEN), log.first(_FATAL)
    hit = fatal or broken
    if hit is None:
        return None
    lines = tuple(found[1] for found in (broken, fatal) if found is not None)
    if not isinstance(translation, Missing) and translation.works:
        return noted("an entry of the firmware's IOMMU table is wrong, but the IOMMU works", *lines)
    if not isinstance(translation, Missing) and translation.works is False:
        return failed("the kernel cannot use the firmware's IOMMU table, and nothing is translated", *lines,
                      *translation.evidence, remedy=_REMEDY)  # fmt: skip
    if fatal is not None:
        return failed("the kernel cannot read the firmware's IOMMU table", *lines, remedy=_REMEDY,
                      confidence=Confidence.MEDIUM)  # fmt: skip
    return unknown("the firmware's IOMMU table has a wrong entry; whether the IOMMU works is not known", *lines,
                   missing=("sys_class_iommu.txt",))  # fmt: skip
