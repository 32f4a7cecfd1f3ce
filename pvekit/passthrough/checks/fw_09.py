"""A firmware of 2019 for AMD Ryzen boards (AGESA 0.0.7.2) breaks passthrough.

The card's configuration space reads as all ones as soon as a VM wants it: libvirt says ``Unknown PCI header type
'127'``, lspci ``!!! Unknown header type 7f``. Many other causes end in the same message (RS-01, RS-03, RS-05), so
it counts only on a first or second generation Ryzen with a BIOS date of 2019.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.dmi import Dmi
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, failed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "A Ryzen firmware of 2019 that breaks passthrough"
LAYER = Layer.RESET
SOURCES = (
    "bugzilla.kernel.org bug 203957 (AGESA 0.0.7.2 based BIOS update broke IOMMU redirection, June 2019)",
    "libvirt src/util/virpci.c, virPCIGetHeaderType()",
)
_HEADER = Pattern(r"Unknown PCI header type '127'")
_RYZEN = Pattern(r"Ryzen (?:Threadripper )?(?:[3579] )?(?:PRO )?[123]\d{3}")
_DATE = Pattern(r"(?:0[3-9]|1[0-2])/\d\d/2019|2019-(?:0[3-9]|1[0-2])-\d\d")
_REMEDY = Remedy("Update the firmware to one with a later AGESA, or go back to one before 0.0.7.2.",
                 risk="a firmware update that fails can leave the board unusable")  # fmt: skip


def check(start: StartLog | Missing, processor: Processor | Missing, dmi: Dmi | Missing) -> Outcome | None:
    """Look for the message on such a board."""
    if isinstance(start, Missing) or isinstance(processor, Missing):
        return None
    said = start.first(_HEADER)
    if said is None or _RYZEN.search(processor.model) is None:
        return None
    date = "" if isinstance(dmi, Missing) else dmi.values.get("bios_date", "")
    if isinstance(dmi, Missing) or not date:
        message = "the card reads as all ones; the date of the firmware is not known"
        return unknown(message, said[1], missing=("dmi.txt",))
    if _DATE.search(date) is None:
        return None
    line = dmi.lines.get("bios_date")
    return failed(
        f"the card reads as all ones when the VM starts, and the firmware is of {date}", said[1], processor.line,
        *(() if line is None else (line,)), remedy=_REMEDY, confidence=Confidence.MEDIUM,
    )  # fmt: skip
