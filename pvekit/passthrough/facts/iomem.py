"""/proc/iomem: who owns which physical addresses."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.lspcitext import plain
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Range:
    """One range, both ends included; ``depth`` counts its indentation."""

    start: int
    end: int
    owner: str
    depth: int
    line: Line


@dataclass(frozen=True)
class Iomem:
    """All ranges in order. Read without root all addresses are 0; that is Missing, not an empty map."""

    ranges: tuple[Range, ...]

    def inside(self, start: int, end: int) -> tuple[Range, ...]:
        """Return every range that overlaps."""
        return tuple(item for item in self.ranges if item.start <= end and item.end >= start)


_RANGE = Pattern(r"^([ \t]*)([0-9a-fA-F]{1,16})-([0-9a-fA-F]{1,16}) : (.*\S)\s*$")


def read(sources: Sources) -> Iomem | Missing:
    """Read iomem.txt."""
    lines = sources.of("iomem.txt")
    if isinstance(lines, Missing):
        return lines
    found = [(match, line) for line in lines if (match := _RANGE.match(plain(line.text).expandtabs(8)))]
    if not found:
        return Missing("iomem.txt", "is empty" if not lines else "holds no ranges of /proc/iomem")
    if not any(int(match[3], 16) for match, _ in found):
        return Missing("iomem.txt", "was read without root: all addresses are 0")
    least = min(len(match[1]) for match, _ in found)
    ranges: list[Range] = []
    flat = all(len(match[1]) == least for match, _ in found)
    open_ends: list[int] = []
    for match, line in found:
        start, end = int(match[2], 16), int(match[3], 16)
        # Text that lost its indentation still tells what lies in what: a range comes after the one that holds it.
        while open_ends and not start <= end <= open_ends[-1]:
            open_ends.pop()
        depth = len(open_ends) if flat else (len(match[1]) - least) // 2
        open_ends.append(end)
        ranges.append(Range(start, end, match[4], depth, line))
    return Iomem(tuple(ranges))
