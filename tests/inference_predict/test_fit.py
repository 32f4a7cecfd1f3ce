"""The fit on the public table, where it is at hand."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.llm_fit_parts import document, folds, scores, table
from benchmarks.llm_fit_parts.scores import Score

ROOT = Path(__file__).parents[2]
TABLE = ROOT.parent / "shared" / "data" / "llm-bench-public.csv"
KNOWN = yaml.safe_load((ROOT / "pvekit/inference/predict/coefficients.yaml").read_text(encoding="utf-8"))

needs_table = pytest.mark.skipif(not TABLE.is_file(), reason="the public table is not here")


def test_the_errors_that_were_written_reach_the_goals() -> None:
    spec, probe = (KNOWN["errors"][basis]["decode"]["all"] for basis in ("specification", "probe"))
    assert spec["error"] <= 20
    assert probe["error"] <= 8
    assert 75 <= spec["held"] <= 88
    assert 75 <= probe["held"] <= 88
    kinds = KNOWN["errors"]["specification"]["decode"]
    assert sum(each["error"] <= 20 for each in kinds.values()) >= len(kinds) - 2


@pytest.fixture(scope="module")
def fitted() -> tuple[Any, list[Score]]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = table.rows(csv.DictReader(file))
    groups, held = folds.fit(rows)
    found = scores.score(held)
    return document.content(groups, found, rows, TABLE.read_bytes(), KNOWN["date"]), found


@needs_table
@pytest.mark.slow
def test_the_file_is_what_the_script_writes(fitted: tuple[Any, list[Score]]) -> None:
    data = yaml.safe_load(document.text(fitted[0]))
    for name, group in data["groups"].items():
        for rate, values in group.items():
            assert values == pytest.approx(KNOWN["groups"][name][rate], abs=2e-3)
    assert data["table"] == KNOWN["table"]
    assert data["errors"].keys() == KNOWN["errors"].keys()
    for basis, phases in data["intervals"].items():
        for phase, kinds in phases.items():
            for kind, limits in kinds.items():
                assert limits == pytest.approx(KNOWN["intervals"][basis][phase][kind], abs=0.02)
                error = data["errors"][basis][phase][kind]["error"]
                assert error == pytest.approx(KNOWN["errors"][basis][phase][kind]["error"], abs=0.5)


@needs_table
@pytest.mark.slow
def test_classes_and_text(fitted: tuple[Any, list[Score]]) -> None:
    lines = scores.text(fitted[1]).splitlines()
    assert len(lines) == len(fitted[1]) + 1
    assert any(line.startswith("decode   specification  cpu-server") for line in lines)


def test_quantiles_and_rows_by_hand() -> None:
    assert scores.quantile([(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)], 0.5) == 2.0
    line = {
        "source": "LocalScore (x, median of 1)", "hardware": "Tesla V100-SXM2-16GB", "mem_bw_GBs": "900",
        "mem_bw_from": "vendor", "backend": "llamafile GPU", "model": "Llama-3.2-1B", "quant": "Q4_K_M",
        "model_GiB": "0.752", "test": "tg(LocalScore mix)", "tok_s": "250", "device_class": "apple-gpu",
        "host_or_power": "",
    }  # fmt: skip
    (row,) = table.rows([line, {**line, "tok_s": "tg"}, {**line, "model": "unheard of"}, {**line, "tok_s": "9000"}])
    assert row.kind == "nvidia-volta-turing"
    assert row.device.features["localscore"] == 1.0
