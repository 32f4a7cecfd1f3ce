"""What a hypothesis answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pvekit.inference.explanation import Evidence
from pvekit.inference.observed import Seen


class Side(StrEnum):
    """Which of the measured speeds a hypothesis is about."""

    CPU = "cpu"
    GPU = "gpu"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Weighed:
    """One hypothesis about one case.

    ``part`` is the speed that is left of the healthy one if this is the cause: 80 of 100 such machines lie between the
    two; None when it says nothing about decode. ``state``: it was read and is so (True), is not so (False), nobody
    looked (None). ``evidence`` weights are logs of likelihood ratios, the speed not counted. ``lacking`` names the
    facts that would tell its state.
    """

    part: tuple[float, float] | None
    state: bool | None = None
    evidence: tuple[Evidence, ...] = ()
    lacking: tuple[str, ...] = ()
    remedy: str = ""
    factor: float | None = None
    proven: bool = False
    """Whether its effect itself was measured, so that no speed has to be compared with a prediction."""
    side: Side | None = None
    """Which speeds it is about in this case, where that is another one than usual."""
    limits: bool = False
    """Whether it is itself about the processors that may be used: what they leave is in ``part`` then."""


def because(text: str, weight: float, seen: Seen | None = None) -> Evidence:
    """Return one statement for (above 0) or against a hypothesis."""
    return Evidence(text, weight, seen)
