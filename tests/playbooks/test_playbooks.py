"""What every playbook of ours must be: parsable, only ansible-core, cheap, and without surprises for secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.adapters.data import data_dir, playbook
from pvekit.model.errors import PvekitError

PLAYBOOKS = sorted(data_dir("playbooks").glob("*.yml"))
TASK_FILES = sorted(data_dir("playbooks").glob("*/**/*.yml"))
KEYWORDS = {
    *("name", "when", "register", "loop", "loop_control", "changed_when", "failed_when", "check_mode", "environment"),
    *("vars", "block", "rescue", "always", "become", "become_user", "notify", "no_log", "tags", "until", "retries"),
    *("delay", "ignore_errors", "delegate_to", "run_once", "args", "listen", "async", "poll", "ignore_unreachable"),
}


def tasks(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Give every task of a play or task file, blocks opened."""
    for item in items:
        for part in ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always"):
            yield from tasks(item.get(part, []))
        if "hosts" not in item and "block" not in item:
            yield item


@pytest.mark.parametrize("path", [*PLAYBOOKS, *TASK_FILES], ids=lambda path: path.stem)
def test_only_modules_of_ansible_core(path: Path) -> None:
    for task in tasks(yaml.safe_load(path.read_text())):
        modules = set(task) - KEYWORDS
        assert len(modules) == 1, f"{task.get('name')}: {modules}"
        assert modules.pop().startswith("ansible.builtin.")
        assert task.get("name", "a")[0].isupper(), "a task has a name that a progress view can show"


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_no_facts_that_nobody_asked_for(path: Path) -> None:
    for play in yaml.safe_load(path.read_text()):
        assert play["gather_facts"] is False
        assert play["name"]


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_syntax(path: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "ansible", "playbook", "--syntax-check", "-i", "localhost,", str(path)]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_unknown_playbook_names_the_known_ones() -> None:
    with pytest.raises(PvekitError) as caught:
        playbook("nonsense")
    assert "base" in caught.value.hint
