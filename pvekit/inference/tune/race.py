"""Several settings against each other: rounds in which each runs once, and those that fall behind leave early."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pvekit.inference.tune.knobs import Knobs
from pvekit.inference.tune.statistics import quantile

ROUNDS = 3
"""Rounds that a race lasts at the most; the proof has rounds of its own."""
_FAR = 0.12
"""Behind the leader by more than this after one round, and by more than the noise: out."""

_CHANCE = 1.5
"""What looks faster has to be so by this many times the noise of its mean."""


class Unusable(Exception):
    """These settings do not run on this machine: the message says why."""


class Spent(Exception):
    """The budget of runs is used up."""


Measure = Callable[[Knobs], float]
"""Runs once with these settings and returns tokens/s. Raises Unusable."""


@dataclass(slots=True)
class Meter:
    """Counts runs and stops at the budget. ``noise`` is the spread of one run's logarithm, learned on the way."""

    measure: Measure
    budget: int
    runs: int = 0
    noise: float = 0.03
    failed: dict[Knobs, str] = field(default_factory=dict)

    def __call__(self, knobs: Knobs) -> float:
        """Measure once. Raises Spent instead when nothing is left, and what the measurement raises."""
        if self.runs >= self.budget:
            raise Spent
        self.runs += 1
        return self.measure(knobs)

    def learn(self, logs: Sequence[float]) -> None:
        """Take in the ratios of one pair over several rounds."""
        if len(logs) > 1:
            mean = math.fsum(logs) / len(logs)
            spread = math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1))
            self.noise = 0.7 * self.noise + 0.3 * spread / math.sqrt(2)


def race(meter: Meter, holder: Knobs, others: Sequence[Knobs], rng: random.Random, worth: float = 0.01) -> Knobs:
    """Return the winner; ``holder`` stays unless another is faster by more than chance and ``worth`` (a logarithm)."""
    running = [knobs for knobs in others if knobs not in meter.failed]
    logs: dict[Knobs, list[float]] = {knobs: [] for knobs in running}
    try:
        for number in range(ROUNDS):
            if not running:
                break
            _round(meter, holder, running, logs, rng)
            running = _left(meter, running, logs, number + 1, worth)
            if number and not _open(running, logs, worth):
                break
    except Spent:
        # Half a round is thrown away; what whole rounds said still counts.
        return _winner(holder, running, logs, meter, worth)
    for values in logs.values():
        meter.learn(values)
    return _winner(holder, running, logs, meter, worth)


def _round(
    meter: Meter, holder: Knobs, running: list[Knobs], logs: dict[Knobs, list[float]], rng: random.Random
) -> None:
    order = [holder, *running]
    # Another order each round: whoever runs after the warmest would always look slow.
    rng.shuffle(order)
    rates: dict[Knobs, float] = {}
    for knobs in order:
        try:
            rates[knobs] = meter(knobs)
        except Unusable as error:
            meter.failed[knobs] = str(error)
            if knobs == holder:
                raise
            running.remove(knobs)
    for knobs in running:
        logs[knobs].append(math.log(rates[knobs] / rates[holder]))


def _left(meter: Meter, running: list[Knobs], logs: dict[Knobs, list[float]], rounds: int, worth: float) -> list[Knobs]:
    """Return those still worth a round: not far behind the leader, and possibly faster than the holder by enough."""
    means = {knobs: math.fsum(logs[knobs]) / len(logs[knobs]) for knobs in running if logs[knobs]}
    if not means:
        return []
    leader = max(0.0, *means.values())
    doubt = meter.noise * math.sqrt(2 / rounds)
    reach = max(_FAR / rounds, 2 * doubt)
    return [knobs for knobs, mean in means.items() if mean > leader - reach and mean + 1.3 * doubt > worth]


def _open(running: list[Knobs], logs: dict[Knobs, list[float]], worth: float) -> bool:
    """Return whether another round may change the outcome: two are left, or one that may or may not be faster."""
    if len(running) != 1:
        return len(running) > 1
    mean, reach = _spread(logs[running[0]])
    return mean - reach < worth < mean + reach


def _winner(holder: Knobs, running: list[Knobs], logs: dict[Knobs, list[float]], meter: Meter, worth: float) -> Knobs:
    best, gain = holder, worth
    for knobs in running:
        values = logs[knobs]
        if not values:
            continue
        mean = math.fsum(values) / len(values)
        # What looks faster must be so by more than a run's noise explains; the proof comes later and is stricter.
        if mean > gain and mean > _CHANCE * meter.noise * math.sqrt(2 / len(values)):
            best, gain = knobs, mean
    return best


def _spread(values: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, math.inf
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values))
    return mean, quantile(0.9, len(values) - 1) * error
