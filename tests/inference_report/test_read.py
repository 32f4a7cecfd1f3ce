"""Records become a view; what is absent stays absent."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.inference.report import tables
from pvekit.inference.report.ceilings import ceilings
from pvekit.inference.report.page import page
from pvekit.inference.report.plots.roofline import intensity
from pvekit.model.benchmark import KINDS, Record
from tests.inference_report.made import AT, bench, everything, real, view

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from([
    "suite", "target", "model", "command", "raw", "variant", "decode", "prefill", "hardware", "clients", "ttft_s",
    "gaps_s", "requests", "tokens_per_s", "errors", "joules", "seconds", "idle_watts", "what", "stderr", "complete",
    "guest.isa", "host.megatransfers", "host.populated_channels", "prompt_tokens", "demand", "notes",
])  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(NAMES, JSON, max_size=5)), max_size=6))
def test_any_records_make_a_page(rows: list[tuple[str, dict[str, Any]]]) -> None:
    made = page([view([Record(kind, "k", AT, data) for kind, data in rows])])
    assert made.title


@settings(deadline=None, max_examples=40)
@given(st.dictionaries(st.sampled_from(sorted(json.loads(bench().data["raw"]))), JSON, max_size=6))
def test_any_line_of_llama_bench_makes_a_page(fields: dict[str, Any]) -> None:
    found = view([bench(**fields), bench()])
    assert page([found]).title
    assert all(math.isfinite(run.rate) and run.rate > 0 for run in found.benches)


def test_the_real_results_are_read_whole() -> None:
    records = real()
    found = view(records)
    assert len(found.benches) == sum(record.kind == "llama-bench" for record in records) >= 6
    assert {run.phase for run in found.benches} == {"decode", "prefill"}
    assert {load.clients for load in found.loads} >= {1, 2}
    assert all(load.first and load.gaps for load in found.loads)
    assert found.model.startswith("gemma3 270M")
    assert found.complete is True
    assert all(run.samples for run in found.benches)


def test_what_is_not_there_is_none_and_never_0() -> None:
    record = bench(model_size=None, n_threads=None, stddev_ts=None, samples_ts=None)
    found = view([record, Record("http", "h", AT, {"clients": 1}), Record("energy", "e", AT, {"source": "rapl"})])
    (run,) = found.benches
    assert (run.size, run.threads, run.deviation, run.samples) == (None, None, None, ())
    (load,) = found.loads
    assert (load.rate, load.errors, load.prompt, load.first) == (None, None, None, ())
    (energy,) = found.energies
    assert (energy.joules, energy.per_token, energy.idle) == (None, None, None)
    assert found.complete is None
    assert found.expected is None
    assert tables.NOTHING in tables.loads(found).rows[0]


def test_what_was_measured_in_the_end_did_not_fail() -> None:
    failed = [Record("failure", key, AT, {"what": "it died"}) for key in ("tg", "pp")]
    assert [each.key for each in view([*failed, bench("tg")]).failures] == ["pp"]


def test_facts_that_could_not_be_read_stand_together_by_reason() -> None:
    why = "dmidecode is not installed"
    facts = {"cpu.name": "AMD EPYC", "missing": {"host.channels": why, "host.megatransfers": why}}
    found = view([Record("environment", "environment-0", AT, facts), bench()])
    assert found.facts == (("Processor", "AMD EPYC"),)
    said = "Not read, because dmidecode is not installed: Memory channels of the board, Memory speed (MT/s)."
    assert said in page([found]).missing


def test_one_depth_is_shown_beside_its_prediction() -> None:
    span = {"depth": 0, "rate": {"low": 3.0, "value": 4.0, "high": 6.0}, "bound": "compute", "terms": []}
    found = view([Record("prediction", "prediction", AT, {"decode": [span], "notes": ["A note."]}), bench()])
    figures = [figure for section in page([found]).sections for figure in section.figures]
    (figure,) = [figure for figure in figures if figure.id == "depth-decode"]
    assert figure.title == "Decode beside the prediction"
    assert "The measured speed lies in the interval predicted beforehand." in figure.says
    assert "A note." in figure.says


def test_a_prediction_that_could_not_be_made_says_why() -> None:
    note = "nothing is predicted: nothing is known of the machine"
    made = page([view([Record("prediction", "prediction", AT, {"notes": [note]}), bench()])])
    assert f"{note}." in made.missing


@pytest.mark.parametrize("raw", ["", "{", "[]", "[1]", '{"avg_ts": 0}', '{"avg_ts": NaN, "n_gen": 1}', None])
def test_a_line_without_a_speed_is_no_run(raw: str | None) -> None:
    assert view([Record("llama-bench", "k", AT, {"raw": raw})]).benches == ()


def test_a_whole_array_of_llama_bench_is_taken() -> None:
    row = json.loads(bench().data["raw"])
    found = view([Record("llama-bench", "k", AT, {"raw": json.dumps([row, row | {"n_prompt": 512}])})])
    assert [run.phase for run in found.benches] == ["decode", "both"]
    lines = f"{json.dumps(row)}\n{json.dumps(row | {'n_depth': 512})}\n"
    found = view([Record("llama-bench", "k", AT, {"raw": lines})])
    assert [run.depth for run in found.benches] == [0, 512]


def test_latency_is_taken_of_the_requests_or_of_the_record() -> None:
    record = {"clients": 1, "ttft_s": 0.4, "gaps_s": [0.1, 0.2]}
    (load,) = view([Record("http", "h", AT, record)]).loads
    assert (load.first, load.gaps) == ((0.4,), (0.1, 0.2))
    requests = [{"ttft_s": 1.0, "gaps_s": [0.3]}, {"ttft_s": None}, {"ttft_s": 2.0}]
    (load,) = view([Record("http", "h", AT, {"clients": 1, "requests": requests})]).loads
    assert (load.first, load.gaps) == ((1.0, 2.0), (0.3,))
    counted = {"prompt_tokens": 42.5, "errors": ["one", "two"], "samples": [2.0, 3.0]}
    (load,) = view([Record("http", "h", AT, counted)]).loads
    assert (load.prompt, load.errors, load.samples) == (42, 2, (2.0, 3.0))


def test_energy_per_token_by_tokens_or_by_the_speed_of_the_same_measurement() -> None:
    found = view([
        bench("tg", avg_ts=5.0),
        Record("energy", "tg", AT, {"joules": 100.0, "seconds": 10.0}),
        Record("energy", "http", AT, {"joules": 100.0, "seconds": 10.0, "tokens": 40}),
        Record("energy", "other", AT, {"joules": 100.0, "seconds": 10.0}),
    ])  # fmt: skip
    assert [energy.per_token for energy in found.energies] == [2.0, 2.5, None]


def test_the_ceilings_come_from_what_was_read() -> None:
    found = view(everything())
    run = found.benches[0]
    above = ceilings(found, run)
    assert above.bandwidth == pytest.approx(76.8)
    assert above.compute == pytest.approx(14 * 2.9 * 32)
    assert intensity(found, run) == pytest.approx(2 * 14.77 / 8.98, rel=0.01)


def test_the_ceilings_come_from_the_name_of_the_processor_else() -> None:
    found = view([bench()])
    above = ceilings(found, found.benches[0])
    assert above.kind == "cpu-server"
    assert above.bandwidth == pytest.approx(76.8)
    assert "all 4 channels" in above.bandwidth_how


def test_a_family_alone_gives_no_bandwidth() -> None:
    found = view([bench(cpu_info="AMD EPYC")])
    above = ceilings(found, found.benches[0])
    assert (above.kind, above.bandwidth, above.compute) == ("cpu-server", None, None)


def test_a_card_is_known_by_its_name() -> None:
    found = view([bench(backends="CUDA", gpu_info="NVIDIA GeForce RTX 3090", n_gpu_layers=99)])
    above = ceilings(found, found.benches[0])
    assert above.kind == "nvidia-ampere+"
    assert above.bandwidth == pytest.approx(936, rel=0.01)
    on_cpu = view([bench(backends="CUDA", gpu_info="NVIDIA GeForce RTX 3090", n_gpu_layers=0)])
    assert not on_cpu.benches[0].on_gpu


def test_a_model_of_experts_is_not_placed_by_the_size_of_its_file() -> None:
    found = view([bench(model_type="qwen3moe 30B.A3B")])
    assert intensity(found, found.benches[0]) is None
    header = Record("header", "h", AT, {"demand": {"read": 2_000_000_000, "parameters": 3_300_000_000}})
    told = view([header, bench(model_type="qwen3moe 30B.A3B")])
    assert intensity(told, told.benches[0]) == pytest.approx(3.3)
