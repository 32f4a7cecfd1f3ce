"""Student's t, and ratios of rounds."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.inference.tune.statistics import quantile, ratio


@pytest.mark.parametrize(
    ("probability", "freedom", "value"),
    [(0.975, 1, 12.7062), (0.975, 2, 4.30265), (0.975, 5, 2.570582), (0.9, 3, 1.637744), (0.995, 30, 2.749996)],
)  # fmt: skip
def test_quantiles_are_those_of_the_tables(probability: float, freedom: int, value: float) -> None:
    assert quantile(probability, freedom) == pytest.approx(value, rel=1e-5)


def test_intervals_hold_as_often_as_they_say() -> None:
    rng = random.Random(4)
    held = 0
    for _ in range(2000):
        pairs = [(math.exp(rng.gauss(0, 0.1)), 1.3 * math.exp(rng.gauss(0, 0.1))) for _ in range(6)]
        found = ratio(pairs)
        held += found.low <= 1.3 <= found.high
    assert 0.935 <= held / 2000 <= 0.965


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=2, max_size=12))
def test_the_other_way_round_is_the_inverse(pairs: list[tuple[float, float]]) -> None:
    one, other = ratio(pairs), ratio([(second, first) for first, second in pairs])
    assert one.value * other.value == pytest.approx(1, rel=1e-6)
    assert one.low <= one.value * (1 + 1e-9)
    if one.low > 1e-100 and other.high < 1e100:
        assert one.low * other.high == pytest.approx(1, rel=1e-4)


def test_one_pair_tells_nothing_of_the_spread() -> None:
    found = ratio([(1.0, 2.0)])
    assert found.value == pytest.approx(2.0)
    assert (found.low, found.high) == (0.0, math.inf)
