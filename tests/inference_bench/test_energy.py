"""Energy, and what two runs differ by."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvekit.adapters.llm import energy
from pvekit.adapters.runner import Local
from pvekit.adapters.ssh import Completed
from pvekit.model.errors import PvekitError
from pvekit.workflows.llm_bench_compare import ratio


class Counting:
    """A machine whose counter goes on by 3 J with every look, and begins again at 10 J."""

    where = "node"

    def __init__(self) -> None:
        self.value = 0

    def run(self, argv: Sequence[str], *, timeout: float = 60.0, stdin: bytes = b"",
            environment: Mapping[str, str] | None = None) -> Completed:  # fmt: skip
        if argv[0] == "nvidia-smi":
            return Completed(127, "", "")
        self.value = (self.value + 3_000_000) % 10_000_000
        return Completed(0, f"/sys/class/powercap/intel-rapl:0 {self.value} 10000000\n", "")


@given(st.lists(st.integers(0, 999), min_size=1))
def test_a_counter_that_begins_again_loses_nothing(steps: list[int]) -> None:
    total, seen, last = 0, 0, 0
    for step in steps:
        total += step
        seen += energy.since(last, total % 1000, 1000)
        last = total % 1000
    assert seen == total


def test_rapl_goes_over_its_maximum() -> None:
    source = energy.Rapl(Counting())
    assert source.joules(0) is None
    assert [source.joules(0) for _ in range(6)] == [3.0] * 6


def test_what_is_absent_is_none() -> None:
    class Nothing(Counting):
        def run(self, argv: Sequence[str], **_more: object) -> Completed:
            return Completed(0, "", "")

    assert energy.sources(Nothing()) == []
    with energy.measured([], {}) as used:
        pass
    assert used == []
    silent = energy.Power("plug", lambda: None)
    with energy.measured([silent], {}) as used:
        pass
    assert [one.joules for one in used] == [None]


def test_power_is_integrated_along_straight_lines() -> None:
    watts = iter([10.0, 20.0, 40.0])
    source = energy.Power("plug", lambda: next(watts))
    assert [source.joules(at) for at in (0.0, 2.0, 3.0)] == [None, 30.0, 30.0]


def test_a_plug_is_a_command() -> None:
    found = energy.sources(Counting(), plug=f"cmd:{sys.executable} -c 'print(42.5)'")
    assert [source.name for source in found] == ["rapl", "plug"]
    with energy.measured(found, {"rapl": 1.0}) as used:
        pass
    assert used[0].idle_watts == 1.0
    assert used[0].joules == 3.0
    with pytest.raises(PvekitError, match="no number of watts"):
        energy.sources(Local(), plug="cmd:true")


def test_the_interval_of_a_ratio_holds_as_often_as_it_says() -> None:
    draw = random.Random(5)
    inside = 0
    for _ in range(400):
        one = [10 * math.exp(draw.gauss(0, 0.05)) for _ in range(4)]
        two = [13 * math.exp(draw.gauss(0, 0.10)) for _ in range(5)]
        _, low, high = ratio(one, two)
        assert low is not None
        assert high is not None
        inside += low <= 1.3 <= high
    assert 0.92 <= inside / 400 <= 0.99
    single = ratio([10.0], [20.0])
    assert single[0] == pytest.approx(2.0)
    assert single[1:] == (None, None)
    assert list(ratio([10.0, 10.0], [5.0, 5.0])) == pytest.approx([0.5, 0.5, 0.5])
