"""The kernel modules that are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class LoadedModules:
    """Lines by module name (with underscores). Built-in modules are in no such list. ``whole``: not a grep's result."""

    lines: Mapping[str, Line]
    whole: bool = True


_HEADER = Pattern(r"\s*Module\s+Size\s+Used by\s*")
_ROW = Pattern(r"\s*([A-Za-z0-9][\w-]*)\s+-?\d+\s+-?\d+(?:\s.*)?")


def read(sources: Sources) -> LoadedModules | Missing:
    """Read lsmod.txt.

    A list without its heading, or with few rows, may be what a ``grep`` left of it.
    """
    lines = sources.of("lsmod.txt")
    if isinstance(lines, Missing):
        return lines
    found: dict[str, Line] = {}
    for line in lines:
        if match := _ROW.fullmatch(line.text):
            found.setdefault(match.group(1).replace("-", "_"), line)
    heading = any(_HEADER.fullmatch(line.text) for line in lines)
    if not found and not heading and any(line.text.strip() for line in lines):
        return Missing("lsmod.txt", "not a list of modules")
    return LoadedModules(found, len(found) >= (12 if heading else 30))
