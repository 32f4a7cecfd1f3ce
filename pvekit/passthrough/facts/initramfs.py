"""What is in the initramfs of the running kernel."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class Initramfs:
    """Paths in it, and lines that tell its age beside that of the configuration (``key=value`` with epoch seconds)."""

    paths: tuple[str, ...]
    lines: tuple[Line, ...]


_VALUE = Pattern(r"\s*[\w./:@+~-]+=\d+(?:\.\d+)?\s*")
_LONG = Pattern(r"[-dlcbps][rwxsStT-]{9}\S?\s+\d+\s+\S+\s+\S+\s.*")
_PATH = Pattern(r"\.?/?[\w.+@,:~-]+(?:/[\w.+@,:~-]+)*/?")


def read(sources: Sources) -> Initramfs | Missing:
    """Read initramfs.txt."""
    lines = sources.of("initramfs.txt")
    if isinstance(lines, Missing):
        return lines
    paths, values = [], []
    for line in lines:
        text = line.text.strip()
        if not text or logs.prompt(text) is not None:
            continue
        if _VALUE.fullmatch(text):
            values.append(line)
        elif _LONG.fullmatch(text):
            paths.append(text.partition(" -> ")[0].split()[-1])
        elif _PATH.fullmatch(text):
            paths.append(text)
    if not paths and not values and any(line.text.strip() for line in lines):
        return Missing("initramfs.txt", "not a list of an initramfs")
    return Initramfs(tuple(paths), tuple(values))
