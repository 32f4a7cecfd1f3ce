"""Speeds that are known, and what if one thing were different."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.inference import machines
from pvekit.inference.hardware import Isa
from pvekit.inference.predict import expected_decode, predict
from pvekit.inference.prediction import Bound
from pvekit.workflows import llm_model
from tests.inference_predict.values import model, xeon

CASES = yaml.safe_load((Path(__file__).parent / "anchors.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_known_speeds(case: dict[str, Any]) -> None:
    found = predict(llm_model.demand(case["model"], "Q4_K_M"), machines.preset(case["hardware"])).decode[0].rate
    low, high = case["decode"]
    assert low <= found.value <= high, case["why"]
    assert found.low < found.value < found.high


def test_wider_vectors_do_nothing_for_decode_and_much_for_prefill() -> None:
    demand = model()
    narrow, wide = (predict(demand, xeon(isa=isa)) for isa in (Isa.AVX2, Isa.AVX512))
    assert wide.decode[0].rate.value == pytest.approx(narrow.decode[0].rate.value, rel=0.02)
    vnni = predict(demand, xeon(isa=Isa.AVX512_VNNI))
    assert vnni.prefill[0].rate.value > 1.05 * narrow.prefill[0].rate.value


def test_without_avx2_arithmetic_binds_at_about_16_gigabytes_a_second() -> None:
    found = predict(model(), xeon(isa=Isa.SSE42))
    assert 12 <= found.decode[0].rate.value * 8.5 <= 20
    assert found.decode[0].bound is Bound.INSTRUCTIONS
    assert found.prefill[0].bound is Bound.INSTRUCTIONS


def test_a_second_pair_of_modules_gives_about_ninety_percent() -> None:
    one, two = (expected_decode(model(), xeon(), channels=count).value for count in (1, 2))
    assert 1.75 <= two / one <= 2.0


def test_an_underfilled_card_is_told_from_a_full_one() -> None:
    hardware = machines.preset("z440-p106")
    none, little, full = (expected_decode(model(), hardware, gpu_bytes=size).value for size in (0, 10**9, 5 * 10**9))
    assert none < little < full
    assert 1.35 <= full / none <= 1.8


def test_a_mixture_is_as_fast_as_what_it_reads() -> None:
    dense, mixture = (predict(model(experts=kind), xeon()).decode[0].rate.value for kind in (False, True))
    assert 3 * dense < mixture < 8 * dense


def test_four_threads_are_far_from_enough() -> None:
    assert expected_decode(model(), xeon(), threads=3).value < 0.5 * expected_decode(model(), xeon()).value
