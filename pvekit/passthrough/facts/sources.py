"""Which lines of the bundle are what: by file name, else by what they look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pvekit.model.bundle import Bundle, Line
from pvekit.model.missing import Missing
from pvekit.passthrough.sorting.sort import sort


@dataclass(frozen=True)
class Sources:
    """Lines by role. A role is the canonical name of a bundle file (``dmesg.txt``, ``lspci.txt``, ``vm.conf`` ...).

    A file that is there and empty has its role with no lines: "looked, and found nothing". Roles of folders end with
    ``/`` and hold every file below them. ``unknown`` are the files that nobody here can read.
    """

    roles: Mapping[str, tuple[Line, ...]]
    unknown: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    def of(self, *roles: str) -> tuple[Line, ...] | Missing:
        """Return the lines of the first of these roles that is there; Missing when none is."""
        for role in roles:
            if role in self.roles:
                return self.roles[role]
        return Missing(roles[0], self.left_out.get(roles[0], "not in the bundle"))


def read(bundle: Bundle) -> Sources:
    """Sort the bundle."""
    roles, unknown = sort(bundle)
    return Sources(roles, unknown, bundle.left_out)
