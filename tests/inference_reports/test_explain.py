"""``pvekit llm explain``: what it reads, its exit codes, and the experiments on real llama.cpp."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvekit.adapters.llm_probe_bench import Bench
from pvekit.adapters.runner import Local
from pvekit.cli.llm.explain import command
from pvekit.inference.explanation import Experiment, Explanation, Overall
from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Observed
from pvekit.model.errors import BundleInvalid
from pvekit.workflows import llm_experiment, llm_explain, llm_machine
from tests.llama import tools
from tests.llama.model import gemma

SEED = "I get 1.54 tokens/s with a 14B Q4_K_M on an E5-2680 v4 with 64 GB DDR4-2400."


def test_a_file_a_folder_an_archive_and_what_is_piped_in_say_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "post.txt").write_text(SEED)
    (folder / "blob.bin").write_bytes(bytes(range(256)) * 10)
    archive = tmp_path / "case.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "post.txt", "post.txt")
    seen = [
        llm_explain.observe([str(folder / "post.txt")]),
        llm_explain.observe([str(folder)]),
        llm_explain.observe([str(archive)]),
        llm_explain.observe(["-"], stdin=io.BytesIO(SEED.encode())),
        llm_explain.observe(["-"], stdin=io.BytesIO(archive.read_bytes())),
    ]
    assert {run.rate for one in seen for run in one.runs} == {1.54}
    assert len({one.demand.file for one in seen if one.demand}) == 1
    assert any("blob.bin was left out" in note for note in seen[1].notes)


def test_files_of_one_name_in_two_folders_are_both_read(tmp_path: Path) -> None:
    for name, text in (("a", "eval rate:  2.00 tokens/s"), ("b", "eval rate:  3.00 tokens/s")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.txt").write_text(text)
    seen = llm_explain.observe([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [run.rate for run in seen.runs] == [2.0, 3.0]
    assert {run.seen.file for run in seen.runs if run.seen} == {"a/run.txt", "b/run.txt"}


def test_too_much_piped_in_is_refused() -> None:
    with pytest.raises(BundleInvalid, match="16 MiB"):
        llm_explain.observe(["-"], stdin=io.BytesIO(b"x" * (16 * 2**20 + 1)))


@pytest.mark.parametrize(
    ("overall", "code"),
    [(Overall.AT_LIMIT, 0), (Overall.CONFIRMED, 0), (Overall.UNDECIDED, 1), (Overall.UNKNOWN, 2)],
)
def test_exit_codes(overall: Overall, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_explain, "explain", lambda _: Explanation(overall, "Because.", (), None))
    (tmp_path / "post.txt").write_text(SEED)
    done = CliRunner().invoke(command, [str(tmp_path / "post.txt"), "--json"], standalone_mode=False)
    assert done.exception is None
    assert done.return_value == code
    assert json.loads(done.output)["summary"] == "Because."


def test_what_is_not_there_is_a_mistake_of_the_command_line() -> None:
    done = CliRunner().invoke(command, ["nowhere.txt"])
    assert done.exit_code == 2
    assert "no file or folder nowhere.txt" in done.output


def _ready(cpus: int = 2) -> llm_experiment.Ready:
    argv = tuple(tools.argv("llama-bench"))
    machine = llm_machine.Machine("local", Local())
    program = Bench(argv, environment={"GGML_BACKEND_PATH": str(tools.backend(tools.best()))})
    return llm_experiment.Ready(machine, program, str(gemma()), cpus, cpus, Isa.AVX2)


def test_a_real_sweep_over_threads() -> None:
    said: list[str] = []
    runs = llm_experiment.sweep(_ready(), say=said.append)
    assert [(run.phase, run.threads) for run in runs] == [("decode", 1), ("decode", 2), ("prefill", 2)]
    assert all(run.rate > 0 and run.samples and run.device == "cpu" for run in runs)
    assert said[0] == "decode with 1 thread"


def test_real_backends_compared_in_one_system() -> None:
    ready = _ready()
    found = llm_experiment.backends(ready.machine.runner, ready.program, Isa.AVX2)
    assert list(found) == ["sse42", "sandybridge", "haswell"]
    runs = llm_experiment.compare(ready, say=lambda _: None)
    rates = {(run.variant, run.phase): run.rate for run in runs}
    assert set(rates) == {(name, phase) for name in found for phase in ("decode", "prefill")}
    # Five times and more on a quiet machine; the clock of a busy one says less.
    assert rates["haswell", "prefill"] > 1.5 * rates["sse42", "prefill"]


def test_the_experiment_is_performed_and_explained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Observed] = []

    def explain(observed: Observed) -> Explanation:
        seen.append(observed)
        experiment = Experiment("thread-sweep", "Sweep", 2.0, (), (), runnable=True)
        return Explanation(Overall.UNDECIDED, "Which?", (), experiment)

    @contextmanager
    def prepared(*_: object, **__: object) -> Iterator[llm_experiment.Ready]:
        yield _ready(1)

    monkeypatch.setattr(llm_explain, "explain", explain)
    monkeypatch.setattr(llm_experiment, "prepared", prepared)
    (tmp_path / "post.txt").write_text(SEED)
    done = CliRunner().invoke(command, [str(tmp_path / "post.txt"), "--local"], standalone_mode=False)
    assert done.exception is None
    first, second = seen
    assert len(first.runs) == 1
    added = second.runs[1:]
    assert [run.phase for run in added] == ["decode", "prefill"]
    # Another model than the report's: its speeds must not be taken for those of the 14B.
    assert all(run.model == "gemma-3-270m-q4_k_m" for run in added)
