"""Giving the winner to the unit: written in one step, checked, and taken back when the server does not come up."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvekit.adapters import llm_tune_apply
from pvekit.adapters.llm import unit
from pvekit.adapters.llm_tune_apply import NotBetter, apply, text
from pvekit.adapters.runner import Local
from pvekit.inference.tune import Knobs

SYSTEMCTL = """#!/bin/sh
# A server that starts unless its arguments name what it does not know.
case $1 in
    restart) echo "$2" >>{folder}/restarts; grep -q -e {refused} {folder}/llama.args 2>/dev/null && exit 1; exit 0 ;;
    is-active) echo active ;;
    cat) echo 'ExecStart="/usr/bin/llama-server" "--port" "8081"' ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Local:
    """Return this machine, with a systemd of its own."""
    tools = tmp_path / "bin"
    tools.mkdir()
    programs = {
        "systemctl": SYSTEMCTL.format(folder=tmp_path, refused="--unheard-of"),
        "curl": "#!/bin/sh\nexit 0\n",
        "journalctl": "#!/bin/sh\necho error: unknown argument\n",
        "id": "#!/bin/sh\necho 0\n",
    }
    for name, program in programs.items():
        (tools / name).write_text(program)
        (tools / name).chmod(0o755)
    monkeypatch.setattr(llm_tune_apply, "ARGUMENTS", str(tmp_path / "llama.args"))
    return Local({"PATH": f"{tools}:/usr/bin:/bin"})


def test_the_arguments_are_written_and_the_server_runs(machine: Local, tmp_path: Path) -> None:
    (tmp_path / "llama.args").write_text('LLAMA_EXTRA_ARGS="--threads 2"\n')
    apply(machine, Knobs(threads=8, flash_attention=True).server(), port=8081, seconds=5)
    assert 'LLAMA_EXTRA_ARGS="--threads 8 -fa on"' in (tmp_path / "llama.args").read_text().splitlines()
    assert (tmp_path / "llama.args.before-tune").read_text() == 'LLAMA_EXTRA_ARGS="--threads 2"\n'
    assert (tmp_path / "restarts").read_text().split() == [unit.NAME]
    assert not list(tmp_path.glob(".llama.args*"))


@pytest.mark.parametrize("before", [None, 'LLAMA_EXTRA_ARGS="--threads 2"\n'])
def test_what_does_not_come_up_is_taken_back(machine: Local, tmp_path: Path, before: str | None) -> None:
    file = tmp_path / "llama.args"
    if before is not None:
        file.write_text(before)
    with pytest.raises(NotBetter, match="unknown argument") as caught:
        apply(machine, ("--unheard-of", "1"), port=8081, seconds=5)
    assert "runs as before" in caught.value.message
    assert (file.read_text() if file.exists() else None) == before
    assert (tmp_path / "restarts").read_text().split() == [unit.NAME] * 2


def test_a_server_that_runs_with_neither_is_said_so(machine: Local, tmp_path: Path) -> None:
    (tmp_path / "llama.args").write_text('LLAMA_EXTRA_ARGS="--unheard-of 2"\n')
    with pytest.raises(NotBetter, match="neither with the new arguments nor with the old"):
        apply(machine, ("--unheard-of", "1"), port=8081, seconds=5)


@pytest.mark.parametrize("argument", ["two words", 'a"b', "$HOME", "100%", "a\\b", "", "a\nb"])
def test_what_systemd_would_read_otherwise_is_refused(argument: str) -> None:
    with pytest.raises(ValueError, match="cannot be written"):
        text((argument,))
