"""The firmware's ACPI tables: DMAR (Intel) or IVRS (AMD) describe the IOMMU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class AcpiTables:
    """Table names, from acpi_tables.txt or from the ``ACPI: XXXX 0x...`` lines of a whole kernel log.

    A log that is not whole can show that a table is there, never that one is missing.
    """

    names: frozenset[str]
    evidence: tuple[Line, ...]

    @property
    def iommu(self) -> str:
        """Return the name of the table that describes an IOMMU; empty when there is none."""
        return next((name for name in ("DMAR", "IVRS") if name in self.names), "")


_NAME = Pattern(r"[A-Z][A-Z0-9_!]{3}\d{0,3}")
_ALWAYS = frozenset({"APIC", "DSDT", "FACP"})
"""Every PC has these: a list without them is not the whole list."""
_LOGGED = Pattern(r"^ACPI: ([A-Z][A-Z0-9_!]{3}) 0x[0-9A-Fa-f]{8,16} [0-9A-Fa-f]{6}\b")
_PARSED = (
    ("DMAR", Pattern(r"^DMAR: (?:Host address width \d|(?:DRHD|RMRR) base: 0x)|^ACPI: Reserving DMAR table")),
    ("IVRS", Pattern(r"^ACPI: Reserving IVRS table|AMD-Vi: Found IOMMU|^AMD-Vi: Using global IVHD")),
)
"""What the kernel prints when it reads such a table."""


def read(sources: Sources, log: KernelLog | Missing) -> AcpiTables | Missing:
    """Read them."""
    lines = sources.of("acpi_tables.txt")
    listed = lines if isinstance(lines, Missing) else _listed(lines)
    if not isinstance(listed, Missing):
        return listed
    return listed if isinstance(log, Missing) else _logged(log) or listed


def _listed(lines: Iterable[Line]) -> AcpiTables | Missing:
    lines = tuple(line for line in lines if line.text.strip() and logs.prompt(line.text) is None)
    names: dict[str, Line] = {}
    for line in lines:
        for word in line.text.split():
            name = word.rpartition("/")[2].rstrip(":*")
            if _NAME.fullmatch(name):
                names.setdefault(name, line)
    if not names.keys() & {*_ALWAYS, "DMAR", "IVRS"} and lines:
        return Missing("acpi_tables.txt", "not a list of the tables in /sys/firmware/acpi/tables")
    best = [names[name] for name in ("DMAR", "IVRS") if name in names]
    return AcpiTables(frozenset(names), tuple(best) or lines[:1])


def _logged(log: KernelLog) -> AcpiTables | None:
    names = {match.group(1): line for match, line in log.find(_LOGGED)}
    for name, pattern in _PARSED:
        if name not in names and (hit := log.first(pattern)):
            names[name] = hit[1]
    names = {name: line for name, line in names.items() if name not in ("RSDP", "RSDT", "XSDT")}
    if log.whole and names.keys() >= _ALWAYS:
        best = [names[name] for name in ("DMAR", "IVRS") if name in names]
        return AcpiTables(frozenset(names), tuple(best) or (names["FACP"],))
    sure = {name: line for name, line in names.items() if name in ("DMAR", "IVRS")}
    return AcpiTables(frozenset(sure), tuple(sure.values())) if sure else None
