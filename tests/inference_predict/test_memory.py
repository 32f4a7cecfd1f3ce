"""What llama-server allocates: the sizes in its own log, and the resident set of real servers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.llm_memory import Case, error, file_of, predicted, taken
from pvekit.inference.hardware import Isa
from pvekit.inference.models.demand import of_shape
from pvekit.inference.models.shape import Shape
from pvekit.inference.predict import Serving, predict, served
from pvekit.workflows import llm_model
from tests.inference_predict.values import card, model, xeon
from tests.llama import install

CASES = yaml.safe_load((Path(__file__).parent / "memory.yaml").read_text(encoding="utf-8"))
_MIB = 2**20
_REAL = (Case("real", "Q4_K_M", 2048), Case("smollm2-135m", "Q4_0", 4096, slots=2, cache="q8_0", batch=256))
_VOCABULARIES = {"Qwen2": (151_936, 5.66, 72), "Llama 3": (128_256, 7.46, 84), "GPT-2": (50_257, 1.69, 40),
                 "Llama 2": (32_000, 0.69, 29)}  # fmt: skip
"""Tokens, MiB at the front of a file, and MiB that a server of a model of nearly no weights took beside its buffers."""


def _id(case: dict[str, Any]) -> str:
    return "-".join(str(value) for key, value in case.items() if key not in ("cache", "compute", "copies"))


@pytest.mark.parametrize("case", CASES, ids=_id)
def test_buffers_are_as_large_as_the_log_says(case: dict[str, Any]) -> None:
    kind, flash = case.get("type", "f16"), case.get("flash", True)
    serving = Serving(case["context"], case.get("slots", 1), case.get("batch", 512), kind, kind, flash)
    isa = Isa(case["isa"]) if "isa" in case else None
    found = served(llm_model.demand(case["model"], case["quant"]), serving, isa)
    assert found.cache / _MIB == pytest.approx(case["cache"], abs=0.01)
    assert found.compute / _MIB == pytest.approx(case["compute"], rel=0.01)
    if "copies" in case:
        assert found.copies / _MIB == pytest.approx(case["copies"], abs=0.01)


@pytest.mark.parametrize("name", _VOCABULARIES)
def test_the_program_and_its_vocabulary(name: str) -> None:
    tokens, header, seen = _VOCABULARIES[name]
    demand = of_shape(Shape("tiny", "llama", 2, 256, 768, 4, 2, 64, tokens, 4096, tied=True), "Q8_0")
    found = served(replace(demand, file=demand.held + round(header * _MIB)), Serving(512))
    assert found.other / _MIB == pytest.approx(seen, abs=4)


@pytest.mark.slow
@pytest.mark.parametrize("case", _REAL, ids=lambda case: case.name)
def test_the_total_is_within_five_percent_of_a_running_server(case: Case, tmp_path: Path) -> None:
    try:
        install.install()
    except RuntimeError as why:
        pytest.skip(f"llama.cpp's tools are not here: {why}")
    path = file_of(case, tmp_path)
    said, found = predicted(case, path), taken(case, path)
    assert abs(error(said, found)) < 5, (said, found)
    for mine, theirs in ((said.cache, found.use.cache), (said.copies, found.use.copies)):
        assert mine == pytest.approx(theirs, abs=0.02 * _MIB)
    assert said.weights == pytest.approx(found.use.weights, rel=0.005)
    assert said.compute == pytest.approx(found.use.compute, rel=0.01)


def test_copies_need_no_room_and_a_card_makes_none() -> None:
    demand = llm_model.demand("llama-3.1-8b", "Q4_0")
    (alone,) = predict(demand, xeon()).memory
    assert 3.5e9 < alone.copies < alone.weights
    assert alone.total - alone.needed == alone.copies
    assert all(use.copies == 0 for use in predict(demand, xeon(cards=(card(),))).memory)
    assert predict(demand, xeon(isa=Isa.SSE42)).memory[0].copies == 0


def test_what_grows_later_is_said() -> None:
    said = predict(llm_model.demand("gemma-3-270m", "Q4_K_M"), xeon()).notes
    assert any("8 MiB each and up to 32 a slot" in note for note in said)  # 7.506 MiB in the log of a real one.
    assert not any("--cache-ram" in note for note in said)
    assert any("--cache-ram" in note for note in predict(model(gigabytes=58), xeon()).notes)
    assert not any("a slot" in note for note in predict(model(), xeon()).notes)


def test_more_slots_of_less_context_take_about_the_same() -> None:
    one, four = (predict(model(), xeon(), serving=Serving(16384, slots)).memory[0] for slots in (1, 4))
    assert one.cache == four.cache
    assert four.total == pytest.approx(one.total, rel=0.01)
