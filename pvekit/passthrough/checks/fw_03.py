"""The firmware's settings are not what they were: an update of the firmware or an empty battery took them back.

Passthrough worked, nobody changed anything on the host, and after a restart it does not work. Firmware updates put
settings back to those of the factory, and so does an empty CMOS battery. VT-d or AMD-Vi is off again, or Above 4G
decoding, or the boot screen is on the other card.

Only a comparison with before proves it: ``pvekit passthrough watch`` keeps what the host showed when it worked. The
table that describes the IOMMU (``DMAR`` or ``IVRS``) was there and is not, although the kernel's options did not
switch ACPI off. Or the firmware offered memory above 4 GiB to cards and does not any more, and a card that had an
address has none. Or the firmware ties the card to memory (a ``direct`` region) that it did not use before.

Another version of the firmware alone is no fault: it is a reason to look.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.baseline import Baseline
from pvekit.passthrough.drift import Drift, Severity, drift
from pvekit.passthrough.drift.machine import same_firmware
from pvekit.passthrough.facts.compared import Compared
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown

TITLE = "The firmware's settings were taken back"
LAYER = Layer.FIRMWARE
SOURCES = (
    "Linux drivers/iommu/intel/dmar.c, dmar_table_detect(); drivers/acpi/tables.c",
    "Linux drivers/pci/probe.c, pci_register_host_bridge(): root bus resource",
    "Linux drivers/iommu/iommu.c, iommu_group_show_resv_regions()",
)
_REMEDY = Remedy(
    "Set in the firmware setup what the comparison names (VT-d or AMD-Vi, Above 4G decoding, primary display), switch "
    "the machine off and on again, and take a new baseline: pvekit passthrough watch HOST --accept. If it happens "
    "again, replace the battery on the board."
)


def check(compared: Compared | Missing) -> Outcome | None:
    """Compare what the firmware gives the kernel with what it gave before."""
    if isinstance(compared, Missing):
        return None
    before, now = compared.before, compared.now
    found = drift(before, now)
    lost = [item for item in found if _lost(item, found, before, now)]
    updated = same_firmware(before, now) is False
    lines = (*before.at("firmware"), *now.at("firmware"))
    if lost:
        how = "since the firmware was updated" if updated else "with the same firmware"
        names = "; ".join(f"{item.what}: {item.before} before, {item.now} now" for item in lost)
        return failed(f"{how}, {names}", *before.at(lost[0].kind), *_lines(lost), *lines, remedy=_REMEDY)
    if isinstance(now.tables, Missing) and not isinstance(before.tables, Missing) and before.tables and updated:
        message = "the firmware was updated; whether it still describes an IOMMU was not looked at"
        return unknown(message, *lines, missing=("acpi_tables.txt",))
    if updated:
        return noted("the firmware was updated; what passthrough needs of it is as before", *lines)
    if isinstance(before.tables, Missing) or before.tables != now.tables or not now.tables:
        return None
    return passed(
        "the firmware gives what it gave when the baseline was taken", *before.at("tables"), *now.at("tables")
    )


def _lost(item: Drift, found: tuple[Drift, ...], before: Baseline, now: Baseline) -> bool:
    """Return whether the firmware, and nothing else, can have done this."""
    if item.severity is Severity.HARMLESS:
        return False
    kinds = {other.kind for other in found}
    if item.kind == "tables":
        return not _without_acpi(now)
    if item.kind == "windows":
        # A kernel lays regions out otherwise at times; then only another firmware speaks for the firmware.
        alone = "firmware" in kinds or not kinds & {"kernel", "cmdline"}
        return _none_above(before, now) and _unplaced(found) and alone
    return item.kind == "reserved" and item.severity is Severity.BREAKS and "kernel" not in kinds


def _without_acpi(now: Baseline) -> bool:
    return isinstance(now.cmdline, Missing) or any(option.startswith("acpi=") for option in now.cmdline)


def _none_above(before: Baseline, now: Baseline) -> bool:
    """Return whether there was a window above 4 GiB and is none."""
    if isinstance(before.windows, Missing) or isinstance(now.windows, Missing):
        return False
    return [any(span.start >= 1 << 32 for span in spans) for spans in (before.windows, now.windows)] == [True, False]


def _unplaced(found: tuple[Drift, ...]) -> bool:
    return any(item.kind == "bars" and item.severity is Severity.BREAKS for item in found)


def _lines(lost: list[Drift]) -> tuple[Line, ...]:
    return tuple(dict.fromkeys(line for item in lost for line in item.evidence))
