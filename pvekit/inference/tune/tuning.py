"""The whole of it: search from a start, then proof against the defaults."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from pvekit.inference.tune.knobs import DEFAULTS, Knobs
from pvekit.inference.tune.race import ROUNDS, Measure, Meter, Spent, Unusable, race
from pvekit.inference.tune.space import Axis, Situation, axes, between, grid, start
from pvekit.inference.tune.statistics import Ratio, ratio

LEAST_RUNS = 20
_PROOF = 0.4
"""The part of the budget that is kept for the proof."""
_LEAST_ROUNDS, _MOST_ROUNDS = 5, 15


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came out. ``found`` won the search; ``knobs`` is what to use: it, or the defaults where it proved nothing.

    ``gain`` is None where the search found nothing to prove. ``runs`` were made; a full grid over the same values with
    as many rounds each would take ``grid_runs``. ``steps`` say what each knob came to, ``unusable`` what did not run.
    """

    knobs: Knobs
    found: Knobs
    gain: Ratio | None
    baseline: float | None
    pairs: tuple[tuple[float, float], ...]
    runs: int
    budget: int
    grid_runs: int
    steps: tuple[tuple[str, str], ...] = ()
    unusable: tuple[tuple[str, str], ...] = ()
    cut: bool = False
    """Whether the budget ended before every knob was tried."""

    @property
    def proven(self) -> bool:
        """Return whether it is faster than the defaults: the whole interval is above 1."""
        return self.gain is not None and self.gain.low > 1.0


@dataclass(slots=True)
class _Search:
    meter: Meter
    rng: random.Random
    say: Callable[[str, str], None]
    steps: list[tuple[str, str]] = field(default_factory=list)

    def along(self, axis: Axis, holder: Knobs) -> Knobs:
        winner = race(self.meter, holder, axis.variants(holder), self.rng, axis.worth)
        self.note(axis.name, "stays" if winner == holder else str(winner))
        return winner

    def note(self, name: str, text: str) -> None:
        self.steps.append((name, text))
        self.say(name, text)


def tune(
    measure: Measure,
    situation: Situation,
    *,
    runs: int = 60,
    seed: int = 0,
    say: Callable[[str, str], None] | None = None,
) -> Tuned:
    """Return the best settings found within ``runs`` measurements, proven or not.

    ``say`` is told every step. Raises Unusable when the defaults themselves do not run, ValueError for a budget below
    LEAST_RUNS: nothing could be proven with it.
    """
    if runs < LEAST_RUNS:
        raise ValueError(f"{runs} runs prove nothing: at least {LEAST_RUNS} are needed")
    rounds = max(_LEAST_ROUNDS, min(_MOST_ROUNDS, int(runs * _PROOF) // 2))
    meter = Meter(measure, runs - 2 * rounds)
    search = _Search(meter, random.Random(seed), say or (lambda _name, _text: None))  # noqa: S311 - no secret
    tried, found, cut = _found(search, situation)
    whole = grid(tried) * ROUNDS
    unusable = tuple((str(knobs), why) for knobs, why in meter.failed.items())
    if found == DEFAULTS:
        return Tuned(found, found, None, None, (), meter.runs, runs, whole, tuple(search.steps), unusable, cut)
    meter.budget = meter.runs + 2 * rounds
    pairs = _proof(meter, found, rounds, search.rng)
    gain = ratio(pairs)
    baseline = sorted(first for first, _ in pairs)[len(pairs) // 2]
    kept = found if gain.low > 1.0 else DEFAULTS
    search.note("proof", f"{gain.value:.3f} times ({gain.low:.3f} to {gain.high:.3f})")
    return Tuned(kept, found, gain, baseline, pairs, meter.runs, runs, whole, tuple(search.steps), unusable, cut)


def _found(search: _Search, situation: Situation) -> tuple[tuple[Axis, ...], Knobs, bool]:
    """Return the axes, where the search came to, and whether the budget ended it."""
    tried = axes(situation)
    holder, first = DEFAULTS, start(situation)
    try:
        if first != DEFAULTS:
            holder = race(search.meter, holder, (first,), search.rng)
            search.note("start", str(holder))
        for axis in tried:
            holder = search.along(axis, holder)
            finer = between(axis, holder)
            if finer is not None:
                holder = search.along(finer, holder)
            if search.meter.runs >= search.meter.budget:
                return tried, holder, axis is not tried[-1]
    except Spent:
        return tried, holder, True
    return tried, holder, False


def _proof(meter: Meter, found: Knobs, rounds: int, rng: random.Random) -> tuple[tuple[float, float], ...]:
    """Return rates of defaults and winner, in rounds in which either may come first."""
    pairs, swapped = [], False
    for number in range(rounds):
        # Of each two rounds one starts with either side, in an order that chance decides.
        swapped = rng.random() < 0.5 if number % 2 == 0 else not swapped
        first, second = (found, DEFAULTS) if swapped else (DEFAULTS, found)
        rates = {first: meter(first)}
        rates[second] = meter(second)
        pairs.append((rates[DEFAULTS], rates[found]))
    return tuple(pairs)


__all__ = ["LEAST_RUNS", "Tuned", "Unusable", "tune"]
