"""What the host itself needs of its devices: host_uses.txt, one line each, ``ADDRESS WHAT WHY``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.sources import Sources

NIC, DISK, USB, CONSOLE = "nic", "disk", "usb", "console"
_FILE = "host_uses.txt"


@dataclass(frozen=True, slots=True)
class Use:
    """One use of a device: ``what`` is nic, disk, usb or console, ``why`` such as ``default-route vmbr0``."""

    bdf: Bdf
    what: str
    why: str
    line: Line


@dataclass(frozen=True, slots=True)
class HostUses:
    """All uses in the order of the file. An empty one says that none was found, which no running host has."""

    uses: tuple[Use, ...]

    @property
    def by_bdf(self) -> Mapping[Bdf, tuple[Use, ...]]:
        """Return them by device."""
        found: dict[Bdf, list[Use]] = {}
        for use in self.uses:
            found.setdefault(use.bdf, []).append(use)
        return {bdf: tuple(uses) for bdf, uses in found.items()}


def read(sources: Sources, bundle: Bundle) -> HostUses | Missing:
    """Read host_uses.txt. Lines that are none are left out; a file with only such lines tells nothing."""
    lines = sources.of(_FILE)
    if isinstance(lines, Missing):
        file = next((name for name in sorted(bundle.files) if name.rpartition("/")[2] == _FILE), None)
        if file is None:
            return lines
        lines = bundle.lines(file)
    uses = tuple(_uses(lines))
    if not uses:
        return Missing(_FILE, "names no device that the host uses")
    return HostUses(uses)


def _uses(lines: Iterable[Line]) -> Iterable[Use]:
    for line in lines:
        words = line.text.split(maxsplit=2)
        if len(words) < 2 or words[1] not in (NIC, DISK, USB, CONSOLE):
            continue
        try:
            bdf = Bdf.parse(words[0])
        except ValueError:
            continue
        yield Use(bdf, words[1], words[2].strip() if len(words) > 2 else "", line)
