"""A simulated machine: a stated optimum, and noise of a seeded generator."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from pvekit.inference.tune import Knobs


@dataclass
class Surface:
    """Rates by a formula. ``noise`` is the spread of one run's logarithm; ``drift`` moves all by a slow wave.

    ``spikes`` is the part of the runs in which a neighbour takes a third of the speed.
    """

    rate: Callable[[Knobs], float]
    noise: float = 0.0
    seed: int = 0
    drift: float = 0.0
    spikes: float = 0.0
    runs: list[Knobs] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def __call__(self, knobs: Knobs) -> float:
        self.runs.append(knobs)
        log = self.rng.gauss(0, self.noise) + self.drift * math.sin(len(self.runs) / 7)
        if self.rng.random() < self.spikes:
            log -= math.log(1.5)
        return self.rate(knobs) * math.exp(log)


def flat(_: Knobs) -> float:
    """Return the same rate for everything."""
    return 10.0


def peaked(best: int, default: int, width: float = 1.0) -> Callable[[Knobs], float]:
    """Return rates that fall with the distance of the threads from the best number, in octaves."""

    def rate(knobs: Knobs) -> float:
        threads = knobs.threads or default
        return 10.0 * math.exp(-width * math.log2(threads / best) ** 2)

    return rate
