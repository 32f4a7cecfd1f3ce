"""The command: on a stand-in whose optimum is known, and on a real llama-bench."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pvekit.adapters.runner import Local
from pvekit.cli.main import pvekit_group
from pvekit.inference.models import shapes, synth
from pvekit.inference.tune import DEFAULTS
from pvekit.model.errors import Conflict, GuestNotReady, NotFound, TaskFailed
from pvekit.workflows import llm_machine, llm_probe_measure, llm_tune
from tests.inference_tune import fake_bench
from tests.llama import tools

Call = Callable[..., Result]
BENCH = (sys.executable, "-I", "-S", str(Path(fake_bench.__file__)))


def quiet(_text: str) -> None:
    """Say nothing."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    made = tmp_path / "model.gguf"
    made.write_bytes(b"GGUF")
    return made


@pytest.fixture(autouse=True)
def reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the reads of memory, which other tests measure."""
    monkeypatch.setattr(llm_probe_measure, "reads", lambda *_: {1: 8.0, 2: 14.0})


@pytest.fixture
def call(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("FAKE_RUNS", str(tmp_path / "runs"))
    command = shlex.join(BENCH)

    def run(*arguments: str) -> Result:
        words = ["llm", "tune", "--local", "--model", str(model), "--llama-bench", command, *arguments]
        return CliRunner().invoke(pvekit_group, words)

    return run


def test_the_optimum_is_found_proven_and_recorded(call: Call, tmp_path: Path) -> None:
    records = tmp_path / "tune.jsonl"
    done = call("--objective", "decode", "--runs", "40", "-o", str(records))
    assert done.exit_code == 0, done.output
    assert "llama-server --threads 2" in done.output
    found = re.search(r"decode: \+([\d.]+) %", done.output)
    assert found is not None
    assert float(found[1]) == pytest.approx(40, abs=0.5)
    assert "does not run: threads 2, load none: llama-bench ended with 1" in done.output
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    assert rows[0]["kind"] == "header"
    assert rows[-1]["kind"] == "end"
    assert rows[-1]["data"]["proven"] is True
    assert rows[-1]["data"]["tuned"]["knobs"]["threads"] == 2
    runs = [row for row in rows if row["kind"] in ("llama-bench", "failure")]
    # The first run of all, which looks for lengths and threads, is no part of the search.
    assert len(runs) == rows[-1]["data"]["tuned"]["runs"] == int((tmp_path / "runs").read_text()) - 1 <= 40
    assert len({row["key"] for row in rows}) == len(rows)
    assert all(json.loads(row["data"]["raw"].splitlines()[0])["avg_ts"] for row in runs if row["kind"] == "llama-bench")


def test_prompts_have_an_optimum_of_their_own(call: Call) -> None:
    done = call("--objective", "mixed", "--runs", "60")
    assert done.exit_code == 0, done.output
    assert "threads 2" in done.output
    assert "--threads-batch 4" in done.output
    assert "-fa on" in done.output


def test_a_dry_run_says_what_it_would_do(call: Call, tmp_path: Path) -> None:
    done = call("--dry-run", "-o", str(tmp_path / "none.jsonl"))
    assert done.exit_code == 0, done.output
    assert "threads" in done.output
    assert "a full grid has" in done.output
    assert not (tmp_path / "none.jsonl").exists()
    assert int((tmp_path / "runs").read_text()) == 1


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> llm_machine.Machine:
    monkeypatch.setenv("FAKE_RUNS", str(tmp_path / "runs"))
    return llm_machine.here()


def test_what_was_measured_stays_when_the_machine_goes(
    machine: llm_machine.Machine, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish, records = llm_tune.Wish("decode", 40), tmp_path / "tune.jsonl"
    with llm_tune.planned(machine, wish, model=str(model), bench=BENCH, say=quiet) as plan:
        real, calls = Local.run, []

        def run(self: Local, argv: list[str], **rest: object) -> object:
            calls.append(argv)
            if sum("-m" in words for words in calls) == 8:
                raise GuestNotReady("the SSH connection broke", where=self.where)
            return real(self, argv, **rest)  # type: ignore[arg-type]

        monkeypatch.setattr(Local, "run", run)
        with pytest.raises(GuestNotReady):
            llm_tune.run(machine, plan, wish, records=records, say=quiet)
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    assert [row["kind"] for row in rows] == ["header", *["llama-bench"] * 7]


def test_records_are_never_written_over(machine: llm_machine.Machine, model: Path, tmp_path: Path) -> None:
    wish, records = llm_tune.Wish("decode", 40), tmp_path / "tune.jsonl"
    records.write_text("mine\n")
    with (
        llm_tune.planned(machine, wish, model=str(model), bench=BENCH, say=quiet) as plan,
        pytest.raises(Conflict),
    ):
        llm_tune.run(machine, plan, wish, records=records, say=quiet)
    assert records.read_text() == "mine\n"


def test_defaults_that_do_not_run_are_the_error(
    machine: llm_machine.Machine, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_DIES_AT", "0")
    with (
        pytest.raises(TaskFailed, match="the machine is gone"),
        llm_tune.planned(machine, llm_tune.Wish(), model=str(model), bench=BENCH, say=quiet),
    ):
        pass


def test_without_llama_bench_the_way_to_it_is_named(machine: llm_machine.Machine, model: Path) -> None:
    with (
        pytest.raises(NotFound, match="llama-bench"),
        llm_tune.planned(machine, llm_tune.Wish(), model=str(model), bench=("no-such-tool",), say=quiet),
    ):
        pass


def test_a_model_that_is_not_there_is_named(machine: llm_machine.Machine, tmp_path: Path) -> None:
    with (
        pytest.raises(NotFound, match="cannot be read"),
        llm_tune.planned(machine, llm_tune.Wish(), model=str(tmp_path / "none"), bench=BENCH, say=quiet),
    ):
        pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a real model of random bytes, small enough to be read in a moment."""
    made = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    synth.write(replace(shapes.shape("smollm2-135m"), layers=2, vocabulary=1024), "Q8_0", made, 1)
    return made


def test_a_real_llama_bench_is_searched_and_nothing_is_claimed_without_proof(tiny: Path, tmp_path: Path) -> None:
    machine, wish = llm_machine.here(tools.environment()), llm_tune.Wish("decode", 24)
    bench, records = tuple(tools.argv("llama-bench")), tmp_path / "tune.jsonl"
    with llm_tune.planned(machine, wish, model=str(tiny), bench=bench, say=quiet) as plan:
        tuned = llm_tune.run(machine, plan, wish, records=records, say=quiet)
    assert tuned.runs <= 24 < tuned.grid_runs
    rows = [json.loads(line) for line in records.read_text().splitlines()]
    runs = [row for row in rows if row["kind"] in ("llama-bench", "failure")]
    assert len(runs) == tuned.runs
    measured = [json.loads(row["data"]["raw"].splitlines()[0]) for row in runs if row["kind"] == "llama-bench"]
    # What was asked for is what ran.
    for row, said in zip((row for row in runs if row["kind"] == "llama-bench"), measured, strict=True):
        knobs = row["data"]["knobs"]
        assert said["n_threads"] == knobs.get("threads", plan.situation.threads)
        assert (said["poll"], said["load_mode"]) == (knobs.get("poll", 50), knobs.get("load", "auto"))
        assert said["flash_attn"] == {None: -1, True: 1, False: 0}[knobs.get("flash_attention")]
    assert tuned.proven == (tuned.knobs != DEFAULTS)
    if tuned.gain is not None:
        assert tuned.proven == (tuned.gain.low > 1)
