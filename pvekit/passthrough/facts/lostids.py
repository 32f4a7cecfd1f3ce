"""Ids for vfio-pci that stand under an option which no module has."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import held, wanted_ids
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.options import name_of
from pvekit.passthrough.pattern import Pattern

NO_IDS = frozenset({"vfio_pci_ids", "vfio_pci.id", "vfio.pci.ids", "vfio.ids"})
_NOT_THERE = Pattern(r"failed to open /dev/vfio/\d+: No such file or directory|group \d+ is not viable")


@dataclass(frozen=True, slots=True)
class LostIds:
    """The misspelt option. ``proof``: that vfio-pci does not have the card for all that."""

    token: Token
    proof: tuple[Line, ...]


def read(
    cmdline: Cmdline | Missing, boot: Boot | Missing, target: Target | Missing, start: StartLog | Missing,
    modprobe: Modprobe | Missing,
) -> LostIds | Missing:  # fmt: skip
    """Look on the kernel's command line, or in the boot loader's files where that is not known."""
    if not isinstance(cmdline, Missing):
        tokens = cmdline.tokens
    else:
        tokens = () if isinstance(boot, Missing) else tuple(token for known in boot.wanted.values() for token in known)
    lost = next((token for token in tokens if name_of(token) in NO_IDS and token.value), None)
    if lost is None or any(entry.id and not entry.ignored for entry in wanted_ids(modprobe, cmdline)):
        return Missing("vfio-pci-ids", "no such option, or the ids stand elsewhere as well")
    card = None if isinstance(target, Missing) else target.card
    if card is not None and (on_vfio(card) or held(card)):
        line = card.driver_line
        return LostIds(lost, () if on_vfio(card) or line is None else (line,))
    refused = None if isinstance(start, Missing) else start.first(_NOT_THERE)
    return LostIds(lost, () if refused is None else (refused[1],))
