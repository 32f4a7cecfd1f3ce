"""The host's processor."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Processor:
    """``vendor`` is intel, amd or other text; ``flags`` is Missing where only the name is known."""

    vendor: str
    model: str
    flags: frozenset[str] | Missing
    line: Line


_FIELD = Pattern(r"\s*(vendor_id|Vendor ID|model name|Model name|flags|Flags)\s*:\s*(.*)")
_BOOTED = Pattern(r"smpboot: CPU0: (.+?)(?: \(family: .*)?$|\bCPU0: ((?:Intel|AMD)\b.+?)(?: \(fam.*| stepping .*)?$")
_TABLES = (
    ("intel", Pattern(r"DMAR: (?:Host address width|DRHD base|RMRR base)")),
    ("amd", Pattern(r"\bAMD-Vi: (?:Found IOMMU|Extended features|Using global IVHD|Interrupt remapping enabled)")),
)
"""Lines that only the kernel on a processor of that maker prints. ``DMAR: IOMMU enabled`` is printed on any."""


def read(sources: Sources) -> Processor | Missing:
    """Read cpuinfo.txt (also lscpu and a flags line alone) or the kernel log."""
    fields = _fields(sources.roles.get("cpuinfo.txt", ()))
    logged = _logged(sources.roles.get("dmesg.txt", ()))
    flags: frozenset[str] | Missing = Missing("cpuinfo.txt", "the flags are not listed")
    if "flags" in fields:
        flags = frozenset(fields["flags"][0].split())
    vendor, line = fields.get("vendor", ("", None))
    model, named = fields.get("model", ("", None))
    vendor = _vendor(vendor) or _vendor(model) or _by_flags(flags)
    line = named or line or (fields["flags"][1] if "flags" in fields else None)
    if logged is not None:
        vendor, model, line = vendor or logged.vendor, model or logged.model, line or logged.line
    if line is None:
        lines = sources.of("cpuinfo.txt", "dmesg.txt")
        return lines if isinstance(lines, Missing) else Missing("cpuinfo.txt", "names no processor")
    return Processor(vendor, model, flags, line)


def _fields(lines: Iterable[Line]) -> dict[str, tuple[str, Line]]:
    """Return vendor, model and flags of the first processor in /proc/cpuinfo or lscpu."""
    names = {"vendor_id": "vendor", "vendor id": "vendor", "model name": "model", "flags": "flags"}
    found: dict[str, tuple[str, Line]] = {}
    for line in lines:
        match = _FIELD.match(line.text)
        if match is not None and match.group(2).strip():
            found.setdefault(names[match.group(1).lower()], (match.group(2).strip(), line))
    return found


def _vendor(text: str) -> str:
    for vendor in ("intel", "amd"):
        if vendor in text.lower():
            return vendor
    return text.strip() if re.fullmatch(r"\s*[A-Za-z]{4,16}\s*", text) else ""


def _by_flags(flags: frozenset[str] | Missing) -> str:
    if isinstance(flags, Missing):
        return ""
    return "intel" if "vmx" in flags else "amd" if "svm" in flags else ""


def _logged(lines: Iterable[Line]) -> Processor | None:
    """Return what the kernel log tells: the name at best, or else the maker."""
    flags = Missing("cpuinfo.txt", "not in the bundle")
    found = None
    for line in lines:
        if match := _BOOTED.search(line.text):
            model = (match.group(1) or match.group(2)).strip()
            return Processor(_vendor(model), model, flags, line)
        if found is None and logs.prompt(line.text) is None:
            vendor = next((name for name, pattern in _TABLES if pattern.search(line.text)), "")
            found = Processor(vendor, "", flags, line) if vendor else None
    return found
