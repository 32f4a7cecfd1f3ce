"""Is one faster than the other? Ratios of interleaved rounds, with their interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times faster: geometric mean over rounds, and the interval that ``confidence`` of such series hold."""

    value: float
    low: float
    high: float
    rounds: int
    confidence: float


def ratio(pairs: Sequence[tuple[float, float]], confidence: float = 0.95) -> Ratio:
    """Return how many times faster the second of each pair is.

    Each pair was measured one after the other, so that what drifts (heat, neighbours) is in both. Student's t over the
    logarithms: a ratio of rates is closer to normal there, and a gain and its inverse weigh the same. One pair tells
    nothing of the spread: its interval is everything.
    """
    logs = [math.log(second / first) for first, second in pairs]
    mean = math.fsum(logs) / len(logs)
    if len(logs) < 2:
        return Ratio(math.exp(mean), 0.0, math.inf, len(logs), confidence)
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in logs) / (len(logs) - 1) / len(logs))
    reach = quantile(0.5 + confidence / 2, len(logs) - 1) * spread
    return Ratio(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach), len(logs), confidence)


@lru_cache(maxsize=256)
def quantile(probability: float, freedom: int) -> float:
    """Return Student's t quantile of a probability above one half, by bisection of the integral of its density."""
    low, high = 0.0, 1.0
    while _above_zero(high, freedom) < probability - 0.5:
        low, high = high, high * 2
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _above_zero(middle, freedom) < probability - 0.5 else (low, middle)
    return (low + high) / 2


def _above_zero(limit: float, freedom: int) -> float:
    """Return the probability between 0 and ``limit``.

    With t = sqrt(n) tan(a) the density becomes a power of the cosine: smooth on a short stretch, for Simpson's rule.
    """
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
    end, steps = math.atan(limit / math.sqrt(freedom)), 200
    width = end / steps
    total = 1.0 + math.cos(end) ** (freedom - 1)
    for index in range(1, steps):
        total += (4 if index % 2 else 2) * math.cos(index * width) ** (freedom - 1)
    return scale * total * width / 3
