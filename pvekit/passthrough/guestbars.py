"""BARs that got no address inside the guest. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough import barmap
from pvekit.passthrough.aimed import ADDRESS
from pvekit.passthrough.barmap import human
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.pattern import Pattern

__all__ = ["Lost", "host_places", "human", "lost"]

_NO_SPACE = Pattern(
    rf"{ADDRESS}: BAR (?P<bar>[0-5])(?: \[mem size 0x(?P<size>[0-9a-f]{{1,16}})[^\]]*\]: can't assign; no space"
    r"|: no space for \[mem size 0x(?P<old>[0-9a-f]{1,16}))"
)
_GIVEN = Pattern(rf"{ADDRESS}: BAR (?P<bar>[0-5])(?:: assigned \[mem | \[mem [^\]]*\]: assigned)")
_ZERO = Pattern(r"\bBAR(?P<bar>\d) is 0M @ 0x0")
_WINDOW = Pattern(r"root bus resource \[mem 0x(?P<start>[0-9a-f]{1,16})-0x(?P<end>[0-9a-f]{1,16})")
_COMMAND = Pattern(r"Command line: .*\bpci=\S*realloc(?!=off)")
_LARGE = 8 << 20
"""Smaller BARs that find no place are those of emulated bridges, which is common and harmless."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A large BAR without an address. ``size`` None: not told. ``window`` is the guest's largest one, or 0."""

    size: int | None
    window: int
    evidence: tuple[Line, ...]
    realloc: Line | None


def lost(guest: GuestLog | Missing) -> Lost | None:
    """Return the largest BAR that the guest could not place; None when it says nothing of that kind."""
    if isinstance(guest, Missing):
        return None
    open_: dict[tuple[str, str], tuple[int, Line]] = {}
    window, where = 0, None
    for _, entry in guest.having(_NO_SPACE, _GIVEN, _WINDOW):
        if found := _NO_SPACE.search(entry.text):
            size = int(found["size"] or found["old"], 16)
            if size >= _LARGE:
                open_[found["bdf"], found["bar"]] = (size, entry.line)
        elif found := _GIVEN.search(entry.text):
            open_.pop((found["bdf"], found["bar"]), None)
        elif found := _WINDOW.search(entry.text):
            length = int(found["end"], 16) - int(found["start"], 16) + 1
            if length > window:
                window, where = length, entry.line
    zero = guest.first(_ZERO)
    biggest = max(open_.values(), default=None, key=lambda item: item[0])
    if biggest is None and zero is None:
        return None
    evidence = [line for line in (biggest and biggest[1], zero and zero[1], where) if line]
    realloc = guest.first(_COMMAND)
    return Lost(biggest[0] if biggest else None, window, tuple(evidence), realloc[1] if realloc else None)


def host_places(target: Target | Missing) -> bool | None:
    """Return whether the host gave every memory BAR of the target an address; None when nothing tells."""
    if isinstance(target, Missing) or target.card is None:
        return None
    places = barmap.bars(target.card)
    return all(item.start is not None for item in places) if places else None
