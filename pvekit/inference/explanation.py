"""Why a machine is as fast as it is: hypotheses, weighed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pvekit.inference.observed import Seen


class Stance(StrEnum):
    """What the evidence makes of one hypothesis."""

    CONFIRMED = "confirmed"
    """The state itself was read, or an experiment separated it from the others; and its size fits the speed."""
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNLIKELY = "unlikely"
    REFUTED = "refuted"


class Overall(StrEnum):
    """The answer to "is it slower than it should be?"."""

    AT_LIMIT = "at its limit"
    """The machine does what it can: nothing is wrong, more needs other hardware or a smaller model."""
    CONFIRMED = "explained"
    UNDECIDED = "undecided"
    """Several fit; the experiment decides."""
    UNKNOWN = "not enough evidence"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One statement for or against, with the place it was read at. ``weight`` is the log of the likelihood ratio."""

    text: str
    weight: float
    seen: Seen | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """What would tell hypotheses apart: command lines a person can type, minutes, and what each outcome would mean."""

    id: str
    title: str
    minutes: float
    commands: tuple[str, ...]
    outcomes: tuple[str, ...]
    runnable: bool = False
    """Whether ``explain --run`` can perform it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One hypothesis, judged. ``probability`` over all that were weighed; ``factor`` is how much faster without it."""

    id: str
    title: str
    stance: Stance
    probability: float
    evidence: tuple[Evidence, ...]
    factor: float | None
    remedy: str
    lacking: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer, best hypothesis first. ``shares`` are notes such as a card that held less than fits."""

    overall: Overall
    summary: str
    ranked: tuple[Judgement, ...]
    experiment: Experiment | None
    notes: tuple[str, ...] = ()
