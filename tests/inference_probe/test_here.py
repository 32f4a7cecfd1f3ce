"""The probe on this machine, for real: facts, reads, and llama-bench on a real model."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from pvekit.adapters import llm_probe
from pvekit.adapters.llm_probe_bench import Bench, bench, dialect
from pvekit.adapters.runner import Local
from pvekit.cli.main import pvekit_group
from pvekit.inference.hardware import Isa
from pvekit.inference.probed import Probed, read, write
from pvekit.model.errors import TaskFailed
from pvekit.model.missing import Missing
from pvekit.workflows import llm_machine, llm_probe_measure
from pvekit.workflows.llm_probe import probe
from tests.llama import tools
from tests.llama.model import gemma

VARIANT = tools.best()


@pytest.fixture(scope="module")
def command() -> tuple[str, ...]:
    return tuple(tools.argv("llama-bench"))


@pytest.fixture(scope="module")
def found(command: tuple[str, ...]) -> Probed:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llm_probe_measure, "_TARGET_SECONDS", 0.5)
        return probe(llm_machine.here(tools.environment()), model=str(gemma()), bench=command)


def test_the_facts_are_those_of_the_kernel(command: tuple[str, ...]) -> None:
    facts = llm_probe.facts(Local(tools.environment()), bench=command, model=str(gemma()))
    assert facts["guest.cpus"] == os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert facts["guest.memory"] == pytest.approx(memory, rel=0.01)
    assert facts["guest.variant"] == VARIANT
    assert facts["llama.command"] == command
    assert all(value.why for value in facts.values() if isinstance(value, Missing))


def test_another_variant_is_seen_as_such(command: tuple[str, ...]) -> None:
    facts = llm_probe.facts(Local(tools.environment("sse42")), bench=command)
    assert facts["guest.variant"] == "sse42"


def test_a_machine_without_llama_cpp_gives_facts_all_the_same() -> None:
    found = probe(llm_machine.here({"PATH": "/usr/bin:/bin"}))
    assert found.guest.cpus == os.cpu_count()
    assert found.runs == ()
    assert found.missing["runs"].why
    assert found.reads["guest"][1] > 0.1


def test_both_are_measured(found: Probed) -> None:
    decode = {run.threads: run for run in found.runs if run.phase == "decode"}
    assert set(decode) == set(llm_probe_measure.counts(os.cpu_count() or 1, found.hardware.cpu.cores or 1))
    assert all(run.rate > 0 and len(run.samples) == 2 and run.variant == VARIANT for run in decode.values())
    assert [run.phase for run in found.runs].count("prefill") == 1
    assert set(found.reads["guest"]) == set(decode)
    assert found.read
    # Decoding cannot move more than the memory and the caches give; ten times the read is beyond all noise.
    assert max(run.rate for run in decode.values()) * found.read / 1e9 < 10 * max(found.reads["guest"].values())
    assert isinstance(found.guest.isa, Isa)
    assert found.hardware.memory.bandwidth()


def test_the_file_reads_back_as_it_was(found: Probed) -> None:
    assert read(write(found)) == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"pvekit-probe": 2}', '{"pvekit-probe": 1, "name": "x"}', "{"])
def test_other_files_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


def test_the_command_says_and_writes_it(command: tuple[str, ...], tmp_path: Path) -> None:
    file = tmp_path / "probe.json"
    arguments = ["llm", "probe", "--local", "--facts-only", "--llama-bench", shlex.join(command), "-o", str(file)]
    done = CliRunner().invoke(pvekit_group, arguments, env=tools.environment(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"llama.cpp loads  {VARIANT}" in done.output
    assert json.loads(file.read_text())["guest"]["variant"] == VARIANT


def test_what_llama_bench_says_last_is_in_the_error(command: tuple[str, ...], tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\xff" * 64)
    with pytest.raises(TaskFailed, match="failed to load model") as caught:
        bench(Local(tools.environment()), Bench(command), str(broken), ["-p", "0", "-n", "1"])
    assert "0m" not in caught.value.message
    with pytest.raises(TaskFailed, match="is not installed"):
        bench(Local(), Bench(("no-such-llama-bench",)), str(broken), [])


def test_processor_seconds_are_those_of_the_process(command: tuple[str, ...]) -> None:
    arguments = ["-p", "0", "-n", "4", "-r", "1", "-t", "1"]
    done = bench(Local(tools.environment()), Bench(command), str(gemma()), arguments)
    assert done.cpu_seconds is not None
    assert 0.05 < done.cpu_seconds < 60
    assert done.variant == VARIANT


def test_the_dialect_is_that_of_the_usage() -> None:
    old = "  -fa, --flash-attn <0|1>      (default: 0)\n  -mmp, --mmap <0|1>   (default: 1)\n"
    assert (dialect(old).load_mode, dialect(old).words) == (False, False)
    new = "  -fa,  --flash-attn <on|off|auto>   (default: auto)\n  -lm, --load-mode <auto|none|mmap> (default: auto)\n"
    assert (dialect(new).load_mode, dialect(new).words) == (True, True)
