"""Stack files that the pages show are good, and recordings are what the program really prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit import guests
from pvekit.cli.main import run
from pvekit.lab import control
from pvekit.model.errors import StackInvalid
from pvekit.model.stack import load
from tests.docs.pages import ROOT, Block, blocks, recording

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl anna"
_REST: dict[str, Any] = {
    "pvekit": 1,
    "name": "example",
    "host": "lab",
    "images": {"debian-13": {"build": "debian-13"}, "ubuntu-24.04": {"build": "debian-13"}},
    "vms": {"other": {"kind": "debian"}},
}
"""What a fragment of a stack file leaves out."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Stands for the folder beside the stack file: every key, playbook and user-data file is there."""

    def read(self, path: str) -> str:
        return _KEY if path.endswith(".pub") else "packages: [curl]\n"

    def locate(self, path: str) -> str:
        return f"/home/anna/{path}"


def _stacks() -> Iterator[Block]:
    for block in blocks("yaml"):
        found = yaml.safe_load(block.text)
        if isinstance(found, dict) and set(found) <= {"pvekit", "name", "host", "defaults", "images", "vms", "gpus"}:
            yield block


@pytest.mark.parametrize("block", list(_stacks()), ids=lambda block: block.id)
def test_a_stack_of_a_page_is_good(block: Block) -> None:
    found = yaml.safe_load(block.text)
    text = block.text if "pvekit" in found else yaml.safe_dump({**_REST, **found}, sort_keys=False)
    try:
        load(text, block.id, guests.kinds(), Anything())
    except StackInvalid as error:
        pytest.fail("\n".join(map(str, error.problems)))


def test_the_pages_show_stacks() -> None:
    assert len(list(_stacks())) >= 8


def test_other_yaml_of_a_page_is_a_playbook() -> None:
    stacks = {block.id for block in _stacks()}
    for block in blocks("yaml"):
        if block.id not in stacks:
            found = yaml.safe_load(block.text)
            assert isinstance(found, list), block.id
            assert all({"hosts", "tasks"} <= play.keys() for play in found), block.id


def test_the_readme_shows_the_stack_of_the_lab() -> None:
    shown = next(block for block in blocks("yaml") if block.page.name == "README.md")
    real = (ROOT / "inventory" / "lab.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(shown.text) == yaml.safe_load(real)


def _assert_shown(shown: list[str], real: list[str]) -> None:
    """Compare line by line; ``...`` stands for any number of lines."""
    at, jump = 0, False
    for line in shown:
        if line.strip() == "...":
            jump = True
            continue
        rest = real[at:]
        offset = rest.index(line) if jump and line in rest else 0
        assert rest[offset : offset + 1] == [line], "the recording differs from what the program prints"
        at, jump = at + offset + 1, False
    assert jump or at == len(real), f"the recording lacks: {real[at:]}"


def test_the_plan_in_the_readme_is_what_the_program_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PVEKIT_LAB_STATE", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(ROOT)
    control.start(tmp_path, hollow=True)
    try:
        code = run(["plan", "inventory/lab.yaml"])
    finally:
        control.stop(tmp_path)
    assert code == 2
    _assert_shown(recording("plan"), capsys.readouterr().out.splitlines())


_WRONG = """\
pvekit: 1
name: home
host: lab
defaults: {storage: local, cpus: 2}
images:
  debian-13: {build: debian-13}
vms:
  web:
    kind: debain
    image: debian-13
    memory: 2GB
    disks: [{size: 20GiB}]
    nics: [{address: 192.168.1.20/24, gateway: 192.168.2.1}]
"""


def test_the_mistakes_in_the_readme_are_what_the_program_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home.yaml").write_text(_WRONG, encoding="utf-8")
    assert run(["validate", "home.yaml"]) == StackInvalid.code
    _assert_shown(recording("validate"), capsys.readouterr().err.splitlines())
