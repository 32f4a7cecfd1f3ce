"""The processor has no VT-d, so no setting can help.

Intel left VT-d out of several processors that do have VT-x, among them the unlocked Core models up to the fourth
generation. Nothing in ``/proc/cpuinfo`` tells it. The firmware then has no ``DMAR`` table, just as when VT-d is
switched off (FW-01); the model's name tells the two apart.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.knowledge import lacks_directed_io
from pvekit.passthrough.outcome import Outcome, failed, passed

TITLE = "The processor has no VT-d"
LAYER = Layer.FIRMWARE
SOURCES = (
    'Intel ARK, Core i5-3570K: VT-d "No", as quoted in QubesOS/qubes-issues#6741',
    "QubesOS/qubes-hcl, reports of i5-2500K, i7-4770K and i5-2410M: no IOMMU",
)
_REMEDY = Remedy("Use another processor: passthrough is not possible with this one.")


def check(
    processor: Processor | Missing, tables: AcpiTables | Missing, translation: Translation | Missing
) -> Outcome | None:  # fmt: skip
    """Compare the processor with those that are known to lack it."""
    if isinstance(processor, Missing) or not lacks_directed_io(processor.model):
        return None
    if not isinstance(translation, Missing) and translation.works:
        return passed(translation.why, *translation.evidence)
    if not isinstance(tables, Missing):
        if tables.iommu:
            return passed(f"the firmware has a {tables.iommu} table", *tables.evidence)
        return failed(f"{processor.model} has no VT-d, and the firmware describes no IOMMU", processor.line,
                      *tables.evidence, remedy=_REMEDY)  # fmt: skip
    if isinstance(translation, Missing) or translation.works is None:
        return None
    return failed(f"{processor.model} has no VT-d, and there is no IOMMU", processor.line, *translation.evidence,
                  remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
