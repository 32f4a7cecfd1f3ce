"""Ranks among public results, and the table they are made from."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import llm_public
from pvekit.inference.hardware import CpuClass, GpuClass
from pvekit.inference.report import public

TABLE = Path(__file__).parents[3] / "shared" / "data" / "llm-bench-public.csv"
DECILES = st.lists(st.floats(0.01, 1e4), min_size=11, max_size=11).map(sorted)


@given(DECILES, st.lists(st.floats(0, 2e4), min_size=2, max_size=6).map(sorted))
def test_a_rank_never_falls_and_stays_between_0_and_100(deciles: list[float], values: list[float]) -> None:
    ranks = [public.rank(deciles, value) for value in values]
    assert ranks == sorted(ranks)
    assert all(0 <= rank <= 100 for rank in ranks)
    assert public.rank(deciles, deciles[0]) == 0
    assert public.rank(deciles, deciles[-1] + 1) == 100


@given(st.integers(0, 10))
def test_a_decile_has_its_own_rank(at: int) -> None:
    assert public.rank([float(each) for each in range(1, 12)], at + 1.0) == pytest.approx(at * 10)


def test_the_distributions_are_what_they_say() -> None:
    assert set(public.kinds()) <= {*CpuClass, *GpuClass}
    data = yaml.safe_load(public.FILE.read_text(encoding="utf-8"))
    for kind, parts in data["classes"].items():
        for what, groups in parts.items():
            for each in groups:
                assert each["n"] >= llm_public.FEWEST, (kind, what)
                assert each["deciles"] == sorted(each["deciles"])
                assert len(each["deciles"]) == 11
                assert what == "rate" or each["deciles"][-1] <= 1.05
    assert data["rows"] == sum(each["rows"] for each in data["sources"])


def test_a_group_fits_the_size_of_the_model() -> None:
    small = public.group("cpu-desktop", "rate", 0.75 * 2**30)
    large = public.group("cpu-desktop", "rate", 4.6 * 2**30)
    assert small is not None
    assert large is not None
    assert small.deciles[5] > large.deciles[5]
    whole = public.group("cpu-server", "efficiency", 0.2 * 2**30)
    assert whole is not None
    assert whole.whole
    assert public.group("cpu-server", "rate", 0.2 * 2**30) is None
    assert public.group("abacus", "rate", 2**30) is None


def row(hardware: str, rate: str, test: str = "tg128", **other: str) -> dict[str, str]:
    return {"source": "here (2025-01)", "hardware": hardware, "mem_bw_GBs": "50", "model_GiB": "4.6", "tok_s": rate,
            "test": test, "device_class": "cpu-desktop"} | other  # fmt: skip


def test_each_kind_of_hardware_has_one_voice() -> None:
    many = [row("a", "1")] * 50 + [row(name, "5") for name in "bcde"]
    useless = [row("f", "9", test="pp512"), row("g", "x"), row("h", "99"),
               row("i", "5", source="blog post of 2025-03-08 (HP Z440)")]  # fmt: skip
    found = llm_public.rows([*many, *useless])
    assert len(found) == 54
    (group, *_) = llm_public.groups(found, "cpu-desktop", "rate")
    assert (group["n"], group["deciles"][5]) == (5, 5.0)
    assert not llm_public.groups(found[:53], "cpu-desktop", "rate")


@pytest.mark.parametrize(("name", "kind"), [
    ("NVIDIA H100 80GB HBM3", "nvidia-hbm-dc"), ("Tesla P100-SXM2-16GB", "nvidia-pascal-old"),
    ("Tesla V100-SXM2-32GB", "nvidia-volta-turing"), ("Apple M2 Max", "apple-gpu"),
])  # fmt: skip
def test_memory_stacks_are_no_apples(name: str, kind: str) -> None:
    assert llm_public.kind_of(name, "apple-gpu") == kind


@pytest.mark.skipif(not TABLE.is_file(), reason="the public table is not here")
def test_the_committed_file_is_what_the_script_writes() -> None:
    with TABLE.open(encoding="utf-8", newline="") as lines:
        made = llm_public.summary(llm_public.rows(csv.DictReader(lines)))
    assert yaml.safe_load(public.FILE.read_text(encoding="utf-8")) == yaml.safe_load(yaml.safe_dump(made))
