"""The packages of Proxmox VE: ``pveversion -v``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class PveVersion:
    """Versions by package, and the line of each. ``running`` is the kernel that pveversion names as running."""

    packages: Mapping[str, str]
    lines: Mapping[str, Line]
    running: str = ""


_LISTED = Pattern(r"\s*([a-z0-9][a-z0-9.+-]+): (\S.*)")
_SHORT = Pattern(r"\s*(pve-manager)/(\d[^/\s]*)/")
_DPKG = Pattern(r"\s*[a-zA-Z]{2}\s+([a-z0-9][a-z0-9.+-]+)(?::\w+)?\s+(\d\S*)\s")
_RUNNING = Pattern(r"running kernel: ([^\s()]+)")


def read(sources: Sources) -> PveVersion | Missing:
    """Read pveversion.txt."""
    lines = sources.of("pveversion.txt")
    if isinstance(lines, Missing):
        return lines
    packages: dict[str, str] = {}
    places: dict[str, Line] = {}
    running = ""
    for line in lines:
        found = _SHORT.match(line.text) or _LISTED.match(line.text) or _DPKG.match(line.text)
        if found is None:
            continue
        name, value = found.groups()
        packages[name] = value.split(" (")[0].strip()
        places[name] = line
        if kernel := _RUNNING.search(line.text):
            running = kernel.group(1)
    if not packages:
        return Missing("pveversion.txt", "names no package")
    return PveVersion(packages, places, running)
