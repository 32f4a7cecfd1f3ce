"""The IOMMUs that the kernel uses: /sys/class/iommu."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class IommuClass:
    """Names such as dmar0 or ivhd0; none means that nothing translates.

    ``evidence`` may be empty with an empty file.
    """

    names: tuple[str, ...]
    evidence: tuple[Line, ...]


_NAME = Pattern(r"(?:^|[\s/])(dmar\d{1,5}|ivhd\d{1,5}|smmu\S{1,40}|virtio\d{1,5})(?=[\s/@:]|$)")
_FRAME = Pattern(
    r"\s*(?:(?:total|insgesamt) \d+(?:[.,]\d)?\w?|(?:d[rwxsStT-]{9}\S?\s.*\s)?\.{1,2}/?|/sys/class/iommu/?:?"
    r"|.*/sys/class/iommu\S*\s.*(?:No such file or directory|Datei oder Verzeichnis nicht gefunden)|)\s*"
)
"""What a listing of an empty folder is made of."""


def read(sources: Sources) -> IommuClass | Missing:
    """Read sys_class_iommu.txt."""
    lines = sources.of("sys_class_iommu.txt")
    if isinstance(lines, Missing):
        return lines
    lines = tuple(line for line in lines if line.text.strip() and logs.prompt(line.text) is None)
    named = [(name, line) for line in lines for name in _NAME.findall(line.text)]
    if named:
        places = dict(reversed(named))
        names = tuple(dict.fromkeys(name for name, _ in named))
        return IommuClass(names, tuple(places[name] for name in names))
    if all(_FRAME.fullmatch(line.text) for line in lines):
        return IommuClass((), lines)
    return Missing("sys_class_iommu.txt", "not a listing of /sys/class/iommu")
