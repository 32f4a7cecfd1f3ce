"""Everything that came from the guest, whatever it is: also what programs there said."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.sorting import names


@dataclass(frozen=True)
class GuestText:
    """The lines in the order of the files, each once."""

    lines: tuple[Line, ...]


def read(bundle: Bundle, sources: Sources) -> GuestText | Missing:
    """Read what was sorted to the guest's side, and files that lie there though nobody knows what they are."""
    depth = names.common(bundle.files)
    found = [line for role in sorted(sources.roles) if role.startswith("guest/") for line in sources.roles[role]]
    for file in sorted(sources.unknown):
        if names.side(file, depth) == "guest":
            found += bundle.lines(file)
    if not found:
        return Missing("guest/dmesg.txt", "nothing in the bundle is the guest's")
    return GuestText(tuple(dict.fromkeys(found)))
