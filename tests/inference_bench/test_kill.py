"""A run that is killed keeps every finished record, and goes on where it was."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from click.testing import CliRunner

from pvekit.adapters.llm import records
from pvekit.cli.main import pvekit_group
from tests.inference_bench import double
from tests.inference_bench.double import Foreign, served

BENCH = str(Path(double.__file__).parent / "slow_bench.py")


def test_a_killed_run_keeps_what_it_has_and_resumes(tmp_path: Path) -> None:
    model, out, calls = tmp_path / "m.gguf", tmp_path / "r.jsonl", tmp_path / "calls"
    model.write_bytes(b"GGUF")
    words = ["llm", "bench", "--local", "--model", str(model), "--llama-bench", shlex.join([sys.executable, BENCH]),
             "--llama-server", "/nothing/llama-server", "-o", str(out)]  # fmt: skip
    variables = {**os.environ, "FAKE_CALLS": str(calls), "FAKE_SECONDS": "0.3"}
    run = subprocess.Popen([sys.executable, "-m", "pvekit.cli", *words], env=variables, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)  # fmt: skip
    end = time.monotonic() + 50
    while time.monotonic() < end and run.poll() is None:
        if out.exists() and out.read_text().count('"kind": "llama-bench"') >= 2:
            break
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    kept = records.load(out)
    assert [one.kind for one in kept[:3]] == ["header", "prediction", "environment"]
    done = [one.key for one in kept if one.kind == "llama-bench"]
    assert len(done) >= 2
    time.sleep(0.5)  # the call it was in ends by itself
    calls.unlink()
    again = subprocess.run([sys.executable, "-m", "pvekit.cli", *words, "--resume"], env=variables, check=False,
                           capture_output=True, text=True, timeout=55)  # fmt: skip
    assert again.returncode != 0
    assert "/nothing/llama-server is not installed" in again.stderr
    after = records.load(out)
    assert after[: len(kept)] == kept
    every = [one.key for one in after if one.kind == "llama-bench"]
    assert len(every) == len(set(every)) == len(done) + len(calls.read_text().splitlines())
    assert after[-1].kind == "end"
    assert after[-1].data["complete"] is False
    assert "prefill 512" in again.stdout


def test_a_server_that_ends_is_told_as_that_and_the_run_goes_on_later(tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    # Two requests warm up, three rounds of one client follow; then the second one of two clients ends it.
    foreign = Foreign(tokens=8, dies_after=6)
    with served(foreign):
        url = foreign.url
        done = CliRunner().invoke(pvekit_group, ["llm", "bench", "--url", url, "-o", str(out)])
    assert done.exit_code != 0
    assert "the server ended during 2 clients with 128 tokens" in done.output
    found = records.load(out)
    assert [(one.kind, one.key) for one in found if one.kind in ("http", "failure", "end")] == [
        ("http", "c1-p128-g64"), ("failure", "c2-p128-g64"), ("end", "end"),
    ]  # fmt: skip
    assert found[-1].data["complete"] is False
    # It is up again at the same address: only the rest is asked.
    port = int(url.rpartition(":")[2])
    revived = Foreign(tokens=8)
    with served(revived, port=port):
        done = CliRunner().invoke(pvekit_group, ["llm", "bench", "--url", url, "-o", str(out), "--resume"])
    assert done.exit_code == 0, done.output
    found = records.load(out)
    keys = [one.key for one in found if one.kind == "http"]
    assert keys == ["c1-p128-g64", "c2-p128-g64", "c4-p128-g64", "c1-p1024-g32"]
    assert found[-1].data == {"complete": True, "failed": [], "seconds": found[-1].data["seconds"]}
    assert len(json.dumps(found[3].data["requests"])) > 100
    # Complete is complete.
    done = CliRunner().invoke(pvekit_group, ["llm", "bench", "--url", url, "-o", str(out), "--resume"])
    assert "nothing was measured" in done.output


def test_a_comparison_stands_under_the_results(tmp_path: Path) -> None:
    with served(Foreign(tokens=8, pause=0.002)) as foreign:
        for name in ("old", "new"):
            more = ["--compare", str(tmp_path / "old.jsonl")] if name == "new" else []
            words = ["llm", "bench", "--url", foreign.url, "-o", str(tmp_path / f"{name}.jsonl"), *more]
            done = CliRunner().invoke(pvekit_group, words)
            assert done.exit_code == 0, done.output
    assert "95 % of it" in done.output
    assert "4 clients, 128 tokens in, 64 out" in done.output


def test_a_key_in_the_command_line_is_not_shown() -> None:
    done = CliRunner().invoke(pvekit_group, ["llm", "bench", "--url", "http://127.0.0.1:9", "--key", "sk-secret"])
    assert done.exit_code != 0
    assert "sk-secret" not in done.output
    assert "reference" in done.output
