"""Shapes by name: their parameters, their other names, and the sizes of public files that follow from them."""

from __future__ import annotations

import csv
from math import prod
from pathlib import Path

import pytest
import yaml

from pvekit.inference.models import quants, shapes
from pvekit.inference.models.demand import of_shape
from pvekit.inference.models.tensors import tensors
from pvekit.model.errors import NotFound
from pvekit.workflows import llm_model

_SIZES = yaml.safe_load(Path(__file__).with_name("data").joinpath("sizes.yaml").read_text())
_NAMES = yaml.safe_load(Path(__file__).with_name("data").joinpath("names.yaml").read_text())
_PUBLIC = Path(__file__).parents[3] / "shared/data/llm-bench-public.csv"
_GIB = 2**30

# Files that are made otherwise than today's quantiser would make them.
_OTHERWISE = {
    ("Llama-2-7B", "Q2_K"): "a mixture of 2023, with more bits than the one of today",
    ("Phi-4-14B", "Q5_0"): "its figure belongs to no mixture of five bits in the quantiser",
    ("qwen2.5-1.5b-instruct", "Q8_0"): "its publisher keeps the tied head a second time",
}


@pytest.mark.parametrize("name", shapes.names())
def test_the_tensors_of_a_shape_add_up_to_what_its_publisher_says(name: str) -> None:
    count = sum(prod(slot.shape) for slot in tensors(shapes.shape(name))) / 1e9
    assert count == pytest.approx(shapes.billions(name), rel=0.005)


@pytest.mark.parametrize(("name", "quant", "gibibytes"), _SIZES)
def test_the_weights_are_as_large_as_those_of_the_public_file(name: str, quant: str, gibibytes: float) -> None:
    assert of_shape(shapes.shape(name), quant).held / _GIB == pytest.approx(gibibytes, abs=0.0051)


@pytest.mark.parametrize(("word", "name"), _NAMES.items())
def test_a_name_as_people_write_it_means_its_shape(word: str, name: str) -> None:
    assert shapes.shape(word) is shapes.shape(name)


@pytest.mark.parametrize("name", shapes.names())
def test_every_other_name_means_the_shape_it_stands_at(name: str) -> None:
    for other in (name, *shapes.others(name)):
        assert shapes.shape(other).name == name, other


@pytest.mark.parametrize(("word", "near"), [("lama-3.1-8b", "llama-3.1-8b"), ("qwen2.5-15b", "qwen2.5-1.5b"),
                                            ("gpt-oss-21b", "gpt-oss-20b")])  # fmt: skip
def test_an_unknown_name_brings_the_nearest(word: str, near: str) -> None:
    with pytest.raises(NotFound, match=near):
        llm_model.demand(word, None)


def test_a_name_may_end_in_its_quantisation() -> None:
    assert llm_model.demand("qwen2.5-14b-q8_0", None) == llm_model.demand("qwen2.5-14b", "Q8_0")
    assert llm_model.demand("qwen2.5-14b", None).quant == "Q4_K_M"


def test_an_unknown_quantisation_brings_those_there_are() -> None:
    with pytest.raises(NotFound, match="Q4_K_M"):
        llm_model.demand("qwen2.5-14b", "Q9")


@pytest.mark.parametrize("word", ["nowhere.gguf", "./nowhere", "/nowhere/model"])
def test_a_file_that_is_not_there_is_no_name_of_a_shape(word: str) -> None:
    with pytest.raises(NotFound, match="no such file"):
        llm_model.demand(word, None)


@pytest.mark.parametrize("name", ["tiny-13m", "qwen2.5-0.5b", "gemma-3-270m", "mixtral-8x7b", "gpt-oss-20b",
                                  "deepseek-v2-lite-16b", "phi-4-mini-3.8b"])  # fmt: skip
def test_no_quantisation_loses_bytes_on_the_way(name: str) -> None:
    shape = shapes.shape(name)
    for quant in quants.names():
        demand = of_shape(shape, quant)
        assert sum(demand.types.values()) == demand.read <= demand.held < demand.file, quant
        assert demand.held == sum(kind.size(slot.shape) for slot, kind in quants.typed(shape, quant)), quant


def test_the_public_files_have_the_sizes_that_follow_from_their_shapes(figure) -> None:  # type: ignore[no-untyped-def]
    if not _PUBLIC.is_file():
        pytest.skip("the table of public measurements is not here")
    told: dict[tuple[str, str], float] = {}
    with _PUBLIC.open() as file:
        for row in csv.DictReader(file):
            try:
                told[row["model"], row["quant"]] = float(row["model_GiB"])
            except ValueError:
                continue
    wrong, compared = [], 0
    for (model, quant), size in told.items():
        try:
            demand = of_shape(shapes.shape(model), quant)
        except KeyError:
            continue
        if (model, quant) in _OTHERWISE:
            continue
        compared += 1
        # Some count the weights, some the whole file with its vocabulary.
        if min(abs(bytes_ / _GIB - size) for bytes_ in (demand.held, demand.file)) > 0.01:
            wrong.append((model, quant, size, round(demand.held / _GIB, 3)))
    figure(f"{compared} public files of {len(told)} compared, {len(wrong)} differ by more than 0.01 GiB")
    assert not wrong
    assert compared > 40
