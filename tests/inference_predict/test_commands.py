"""The two commands, and the files they take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvekit.cli.llm.advise import command as advise
from pvekit.cli.llm.predict import command as predict
from pvekit.model.errors import NotFound, PvekitError
from pvekit.workflows import llm_predict as work

MINE = "cpu: Xeon E5-2680 v4\nmemory: {channels: 4, populated: 1, megatransfers: 2400, size: 32 GiB}\n"


def test_predict_says_memory_speed_bound_and_terms() -> None:
    found = CliRunner().invoke(predict, ["qwen2.5-14b", "--hardware", "z440-p106", "--depth", "0", "--depth", "4096"])
    assert found.exit_code == 0, found.output
    for word in ("main memory", "P106-100", "memory bandwidth", "weights from card", "one token", "4096", "FITS"):
        assert word in found.output


def test_predict_as_json_from_a_description(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE, encoding="utf-8")
    arguments = ["qwen2.5-14b", "--quant", "Q8_0", "--hardware", str(file), "--offload", "0", "--json"]
    found = CliRunner().invoke(predict, arguments)
    data = json.loads(found.output)
    assert data["quant"] == "Q8_0"
    assert data["decode"][0]["rate"]["low"] < data["decode"][0]["rate"]["value"]
    assert data["memory"][0]["have"] == 31 * 2**30


def test_this_machine_needs_no_root() -> None:
    known = work.machine(None)
    assert known.hardware.cpu.cores
    found = CliRunner().invoke(predict, ["llama-3.2-1b"])
    assert found.exit_code == 0, found.output


def test_a_probe_moves_the_prediction(tmp_path: Path) -> None:
    hardware = {"name": "it", "cpu": {"name": "Xeon E5-2680 v4", "kind": "cpu-server", "cores": 14, "threads": 28,
                                      "ghz": 2.9, "isa": "avx2"},
                "memory": {"channels": 4, "populated": None, "megatransfers": 2400}}  # fmt: skip
    runs = [{"phase": "decode", "rate": 12.0, "threads": 14}, {"phase": "decode", "rate": 4.0, "threads": 1}]
    plain = {"hardware": hardware, "model": "llama-3.2-1b", "quant": "Q4_K_M"}
    (tmp_path / "plain.json").write_text(json.dumps(plain), encoding="utf-8")
    (tmp_path / "probe.json").write_text(json.dumps({**plain, "runs": runs}), encoding="utf-8")
    lines = [json.dumps(plain), *map(json.dumps, runs)]
    (tmp_path / "probe.jsonl").write_text("\n".join(lines), encoding="utf-8")

    def value(name: str, **more: str) -> float:
        found = work.predicted("qwen2.5-14b", quant=None, hardware=str(tmp_path / name), context=4096, depths=(0,),
                               offload="auto", threads=None, probe=more.get("probe"))  # fmt: skip
        return found.decode[0].rate.value

    before, after = value("plain.json"), value("probe.json")
    assert after < 0.6 * before
    assert value("probe.jsonl") == pytest.approx(after)
    assert value("plain.json", probe=str(tmp_path / "probe.json")) == pytest.approx(after)


@pytest.mark.parametrize("text", ["{}", '{"cpu": 3}', '{"a": 1}\nnot json\n', '{"hardware": {"cpu": {"kind": "x"}}}'])
def test_no_probe_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "probe.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PvekitError) as error:
        work.machine(str(file))
    assert "probe.json" in str(error.value)
    assert error.value.hint


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFound):
        work.machine("no-such.yaml")
    with pytest.raises(NotFound):
        work.probe_file("no-such.json")


def test_advice_ranks_upgrades_with_their_gain(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(MINE, encoding="utf-8")
    arguments = ["--model", "qwen2.5-14b", "--hardware", str(file), "--price", "P106-100=40", "--price", "channels=60"]
    found = CliRunner().invoke(advise, arguments)
    assert found.exit_code == 0, found.output
    assert "modules in 2 of 4 channels" in found.output
    assert "+0 %" in next(line for line in found.output.splitlines() if line.startswith("AVX512"))
    data = json.loads(CliRunner().invoke(advise, [*arguments, "--json"]).output)[0]["options"]
    gains = [each["decode_gain"] for each in data[1:]]
    assert gains == sorted(gains, reverse=True)
    pair = next(each for each in data if each["name"].startswith("modules in 2"))
    assert 75 <= pair["decode_gain"] <= 100
    assert pair["gain_per_price"] == pytest.approx(pair["decode_gain"] / 60)


def test_the_budget_leaves_out_what_draws_more() -> None:
    arguments = ["qwen2.5-14b", "--hardware", "z440", "--json"]
    every = json.loads(CliRunner().invoke(advise, arguments).output)[0]["options"]
    some = json.loads(CliRunner().invoke(advise, [*arguments, "--budget-watts", "320"]).output)[0]["options"]
    assert 1 < len(some) < len(every)
    assert all(each["watts"] is None or each["watts"] <= 320 for each in some[1:])


@pytest.mark.parametrize("arguments", [["--price", "x"], [], ["m", "--price", "=3"], ["m", "--price", "a=-1"]])
def test_wrong_usage_is_told(arguments: list[str]) -> None:
    assert CliRunner().invoke(advise, arguments).exit_code == 2
