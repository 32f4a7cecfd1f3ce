"""/proc/interrupts."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Interrupt:
    """One interrupt: total count over all processors, what raises it, and the last words of the line."""

    number: str
    count: int
    chip: str
    names: tuple[str, ...]
    line: Line


@dataclass(frozen=True)
class Interrupts:
    """All rows."""

    rows: tuple[Interrupt, ...]


_HEADER = Pattern(r"\s*CPU\d+(?:\s+CPU\d+)*\s*")
_ROW = Pattern(r"\s*([0-9]{1,6}|[A-Z][A-Z0-9]{2}):(.*)")
_PIN = Pattern(r"[0-9]{1,12}(?:-\w+)?")
_COUNT = Pattern(r"[0-9]{1,20}")


def read(sources: Sources) -> Interrupts | Missing:
    """Read interrupts.txt."""
    lines = sources.of("interrupts.txt")
    if isinstance(lines, Missing):
        return lines
    processors = 0
    rows = []
    for line in lines:
        if _HEADER.fullmatch(line.text):
            processors = len(line.text.split())
        elif match := _ROW.fullmatch(line.text):
            row = _row(match.group(1), match.group(2).split(), processors, line)
            rows += [row] if row else []
    if not rows and lines:
        return Missing("interrupts.txt", "holds no row of /proc/interrupts")
    return Interrupts(tuple(rows))


def _row(number: str, words: list[str], processors: int, line: Line) -> Interrupt | None:
    counts = 0
    while counts < len(words) and _COUNT.fullmatch(words[counts]) and (not processors or counts < processors):
        counts += 1
    if not counts:
        return None
    total = sum(int(word) for word in words[:counts])
    rest = words[counts:]
    if not number.isdecimal():
        return Interrupt(number, total, " ".join(rest), (), line)
    chip = rest[0] if rest else ""
    rest = rest[2:] if len(rest) > 1 and _PIN.fullmatch(rest[1]) else rest[1:]
    names = tuple(name.strip() for name in " ".join(rest).split(",") if name.strip())
    return Interrupt(number, total, chip, names, line)
