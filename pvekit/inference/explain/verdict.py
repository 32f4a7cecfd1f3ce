"""From scores to words: what is confirmed, likely or refuted, and the answer as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from pvekit.inference.explain.case import Speed
from pvekit.inference.explain.weighed import Weighed
from pvekit.inference.explanation import Judgement, Overall, Stance

_CONFIRMED, _AT_LIMIT, _LIKELY, _POSSIBLE = 0.75, 0.7, 0.6, 0.08
_NO_BETTER = -1.2
"""A state whose speed fits the measurement that much worse than the healthy one does not explain it."""
_TOO_FAST = 2.0
"""Times the upper end of the healthy speed: then the model or the machine is not what was said."""
_FAULT = 0.12
"""Probability of a fault whose state was read, from where on nobody says that nothing is wrong."""
_MILD = 1.2
_LOSSES = frozenset({"version_regression"})
"""These compare the speed with what the person has seen, not with a prediction."""
_NO_FAULT = frozenset({"at_limit", "gpu_too_small", "old_cpu", "deep_context"})
"""Nothing of these can be repaired."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One hypothesis, its score (a logarithm), and how well the speed that it predicts fits."""

    id: str
    module: ModuleType | None
    weighed: Weighed
    score: float
    fit: float | None


def judged(one: Scored, probability: float, healthy: Scored | None) -> Judgement:
    """Return one hypothesis with its stance; ``healthy`` is the score of nothing being wrong."""
    title = one.module.TITLE if one.module else "something that pvekit does not know"
    remedy = one.module.REMEDY if one.module else "Measure more: pvekit llm probe, pvekit llm bench."
    weighed = one.weighed
    stance = Stance.UNLIKELY
    worse = (
        not weighed.proven
        and one.fit is not None
        and healthy is not None
        and healthy.fit is not None
        and one.fit < healthy.fit + _NO_BETTER
    )
    if weighed.state is False:
        stance = Stance.REFUTED
    elif one.id == "at_limit":
        stance = Stance.LIKELY if probability >= _LIKELY else Stance.POSSIBLE if probability >= _POSSIBLE else stance
    elif weighed.state and one.fit is not None and not worse and probability >= _CONFIRMED:
        stance = Stance.CONFIRMED
    elif probability >= _LIKELY:
        stance = Stance.LIKELY
    elif probability >= _POSSIBLE:
        stance = Stance.POSSIBLE
    return Judgement(
        one.id, title, stance, probability, weighed.evidence, weighed.factor, weighed.remedy or remedy, weighed.lacking
    )


def costs_little(one: Scored) -> bool:
    """Tell whether a cause costs so little that the machine is at its limit nevertheless."""
    return one.weighed.factor is not None and one.weighed.factor <= _MILD


def overall(ranked: list[Judgement], main: Speed | None, faults: frozenset[str], mild: frozenset[str]) -> Overall:
    """Return the answer as a whole. ``faults`` were read and cost much, ``mild`` were read and cost little."""
    best = ranked[0]
    if best.stance is Stance.CONFIRMED and best.id not in _NO_FAULT:
        return Overall.CONFIRMED
    if main is not None and main.run.rate > _TOO_FAST * main.said[1]:
        return Overall.UNKNOWN
    fine = sum(one.probability for one in ranked if one.id in _NO_FAULT | mild and one.stance is not Stance.REFUTED)
    # Who saw it faster on the same machine knows that it can be.
    faults = faults - _NO_FAULT | _LOSSES
    fault = any(one.probability >= _FAULT for one in ranked if one.id in faults)
    enough = main is not None and main.run.rate >= main.healthy.low
    if enough and not fault and best.id in _NO_FAULT and fine >= _AT_LIMIT:
        return Overall.AT_LIMIT
    if main is None and not any(one.stance in (Stance.LIKELY, Stance.CONFIRMED) for one in ranked):
        return Overall.UNKNOWN
    return Overall.UNDECIDED


def summary(answer: Overall, ranked: list[Judgement], main: Speed | None, unknown: str) -> str:
    """Return the answer in a sentence or two; ``unknown`` is what a healthy speed would need."""
    best = ranked[0]
    if main is None:
        measured = f"How fast it should be cannot be said: {unknown} not known."
    else:
        healthy = f"{main.said[0]:.1f} to {main.said[1]:.1f}"
        measured = f"Measured {main.run.rate:.2f} tokens/s; this machine should do {healthy}."
    if answer is Overall.AT_LIMIT:
        return f"{measured} Nothing is wrong: {best.title}."
    if answer is Overall.CONFIRMED:
        return f"{measured} The cause: {best.title}."
    if answer is Overall.UNKNOWN and main is not None:
        return f"{measured} That is faster than it can be: the model or the machine is not what was said."
    if answer is Overall.UNKNOWN:
        return f"{measured} There is not enough evidence to name a cause."
    open_ones = [one.title for one in ranked if one.stance in (Stance.POSSIBLE, Stance.LIKELY)][:3]
    return f"{measured} Not decided between: {'; '.join(open_ones) or best.title}."
