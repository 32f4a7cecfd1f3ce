"""What a drift is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pvekit.model.bundle import Line


class Severity(Enum):
    """What a drift does to passthrough; the worst comes first."""

    BREAKS = "breaks"
    LOOK = "look"
    HARMLESS = "harmless"

    @property
    def rank(self) -> int:
        """Return the place in the order; lower is worse."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not as it was.

    ``kind`` is the area in one word, ``what`` the thing in a few. ``meaning`` tells what it breaks, ``next`` what to
    do.
    """

    kind: str
    what: str
    before: str
    now: str
    meaning: str
    severity: Severity
    next: str = ""
    evidence: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """An area that was known once and is not known the other time: nothing can be said about it."""

    area: str
    when: str
    why: str

    def __str__(self) -> str:
        """Return it as a phrase."""
        return f"{self.area} ({self.when}: {self.why})"
