"""Limits of the QEMU process."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Limits:
    """``memlock`` is the limit on locked memory in bytes; None: unlimited."""

    memlock: int | None
    line: Line


_VALUE = r"(unlimited|infinity|\d{1,20})"
_FORMS = (
    (Pattern(rf"\s*Max locked memory\s+{_VALUE}\s+{_VALUE}\s+bytes\s*"), 1),
    (Pattern(rf"\s*LimitMEMLOCK(?:Soft)?\s*=\s*{_VALUE}\s*"), 1),
    (Pattern(rf"\s*max locked memory\s+\(?(?:in )?k(?:bytes|B)\b[^)]*\)\s*{_VALUE}\s*"), 1024),
    (Pattern(rf"\s*(?:max locked memory\s*|memlock\s*|memorylocked\s*)?{_VALUE}\s*"), 1024),
)
"""Forms of the limit with the bytes of its unit: /proc/PID/limits first, which is that of the process itself."""


def read(sources: Sources) -> Limits | Missing:
    """Read ulimit.txt (``ulimit -a``, ``ulimit -l`` in kB, or /proc/PID/limits in bytes)."""
    lines = sources.of("ulimit.txt")
    if isinstance(lines, Missing):
        return lines
    for pattern, unit in _FORMS:
        for line in lines:
            if match := pattern.fullmatch(line.text):
                value = match.group(1)
                return Limits(int(value) * unit if value.isdecimal() else None, line)
    return Missing("ulimit.txt", "does not tell the limit on locked memory")
