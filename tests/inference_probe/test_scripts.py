"""The scripts that are sent: no quoting mistakes, whole frames, and nothing left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from pvekit.adapters import hostscript, llm_probe
from pvekit.adapters.runner import Local


@pytest.mark.parametrize("name", ["llm-probe.sh", "llm-tune-apply.sh"])
def test_the_script_has_no_quoting_mistakes(name: str) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("no shellcheck here")
    subprocess.run(["shellcheck", "-"], input=hostscript.text(name), check=True, timeout=60)


def test_a_machine_without_any_tool_answers_as_well() -> None:
    bundle = llm_probe.ask(Local({"PATH": "/usr/bin:/bin"}))
    assert {"cpuinfo.txt", "meminfo.txt", "loadavg.txt", "cores.txt"} <= set(bundle.files)
    assert all(why for why in bundle.left_out.values())


def test_under_load_only_what_changes_is_asked() -> None:
    bundle = llm_probe.ask(Local(), load_only=True)
    assert {"loadavg.txt", "stat.txt", "vmstat.txt"} <= set(bundle.files)
    assert not {"cpuinfo.txt", "meminfo.txt", "llama.txt", "dmi.txt"} & {*bundle.files, *bundle.left_out}


def test_the_disk_below_the_model_is_looked_at() -> None:
    bundle = llm_probe.ask(Local(), model=sys.executable)
    assert "source=" in bundle.files["disk.txt"]
    missing = llm_probe.ask(Local(), model="/nowhere/model.gguf")
    assert missing.left_out["disk.txt"] == "there is no /nowhere/model.gguf"


def test_names_with_spaces_and_quotes_stay_one_name() -> None:
    name = """/no "such' file; touch /tmp/x"""
    assert llm_probe.ask(Local(), model=name).left_out["disk.txt"] == f"there is no {name}"


def test_memory_is_read_by_threads() -> None:
    argv = [sys.executable, "-", str(2**24), "0.05", "1", "2"]
    done = subprocess.run(argv, input=hostscript.text("llm-probe-read.py"), capture_output=True, check=True, timeout=60)
    rates = json.loads(done.stdout)
    assert set(rates) == {"1", "2"}
    assert all(0.05 < rate < 2000 for rate in rates.values())
