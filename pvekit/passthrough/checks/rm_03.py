"""The firmware's IOMMU table is wrong, or the IOMMU stops accesses of the card (DMA faults).

A DMAR table that lies outright can cost the whole IOMMU (``parse DMAR table failure``); often only one unit is left
out (``DMAR reported at address 0``) and all is well. Complaints such as ``No firmware reserved region can cover this
RMRR`` are frequent and harmless. Faults of other devices than the card to pass (``Request device [00:02.0] fault
addr``) are a matter of the host; ``iommu=pt`` ends them. Faults of the card itself are only a sign: a reset that
failed or a guest's driver may be behind them.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.iommu import IommuClass
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted
from pvekit.passthrough.pattern import Pattern

TITLE = "The firmware's IOMMU table is wrong, or DMA faults"
LAYER = Layer.RMRR
SOURCES = (
    "Linux drivers/iommu/intel/dmar.c, warn_invalid_dmar(), dmar_table_init() and dmar_fault_do_one()",
    "Linux drivers/iommu/amd/iommu.c, amd_iommu_report_page_fault()",
)
FOLLOWS = ("FW-14",)

_TABLE = Pattern(r"Your BIOS is broken; DMAR reported at")
_GIVEN_UP = Pattern(r"(?i)parse DMAR table failure")
_HARMLESS = Pattern(r"Your BIOS is broken|DMAR: \[Firmware Bug\]|AMD-Vi: \[Firmware Bug\]|\[Firmware Bug\]: AMD-Vi")
_ADDRESS = r"(?:0x)?((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}):(?:0x)?([0-9a-f]{2}\.[0-7])"
_FAULT = Pattern(
    rf"DMAR: \[DMA (?:Read|Write)[^\]]*\] Request device \[{_ADDRESS}\]"
    rf"|AMD-Vi: Event logged \[IO_PAGE_FAULT device={_ADDRESS}"
    rf"|\S+ {_ADDRESS}: AMD-Vi: Event logged \[IO_PAGE_FAULT"
)
_REMEDY = Remedy("Update the firmware. For devices that stay with the host, iommu=pt ends the faults.")


def check(log: KernelLog | Missing, iommu: IommuClass | Missing, target: Target | Missing) -> Outcome | None:
    """Look for a table that the kernel rejects, then for faults of the target."""
    if isinstance(log, Missing):
        return None
    table = log.first(_TABLE)
    given_up = log.first(_GIVEN_UP)
    lines = [hit[1] for hit in (table, given_up) if hit is not None]
    without = not iommu.names if not isinstance(iommu, Missing) else given_up is not None
    if lines and without:
        return failed(
            "the kernel rejects the firmware's DMAR table and has no IOMMU", *lines,
            remedy=_REMEDY, confidence=Confidence.MEDIUM,
        )  # fmt: skip
    ours: list[Line] = []
    others: list[Line] = []
    for match, line in log.find(_FAULT):
        parts = [part for part in match.groups() if part]
        address = f"{parts[0]}:{parts[1]}"
        full = address if address.count(":") == 2 else f"0000:{address}"
        mine = not isinstance(target, Missing) and full in {str(bdf) for bdf in target.bdfs}
        (ours if mine else others).append(line)
    if ours:
        return failed("the IOMMU stopped accesses of the card", *ours[:3], remedy=_REMEDY, confidence=Confidence.LOW,
                      until=Layer.VM)  # fmt: skip
    if others:
        return noted("the IOMMU stopped accesses of devices that are not the card to pass", *others[:3], remedy=_REMEDY)
    harmless = log.first(_HARMLESS)
    if harmless is not None:
        return noted("the kernel complains about the firmware's IOMMU table; alone this breaks nothing", harmless[1])
    return None
