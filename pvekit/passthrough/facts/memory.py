"""The host's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Memory:
    """Values of /proc/meminfo in kB by name (HugePages_* are counts), and the line of each."""

    values: Mapping[str, int]
    lines: Mapping[str, Line]


_FIELD = Pattern(r"\s*([A-Z][A-Za-z0-9_]*(?:\([a-z_]+\))?):\s+([0-9]{1,18})(?:\s+kB)?\s*")


def read(sources: Sources) -> Memory | Missing:
    """Read meminfo.txt."""
    lines = sources.of("meminfo.txt")
    if isinstance(lines, Missing):
        return lines
    found = [(match, line) for line in lines if (match := _FIELD.fullmatch(line.text))]
    if not found:
        return Missing("meminfo.txt", "holds no value of /proc/meminfo")
    return Memory(
        {match.group(1): int(match.group(2)) for match, _ in found}, {match.group(1): line for match, line in found}
    )
