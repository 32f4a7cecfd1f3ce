"""Stack files on disk, and what lies beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvekit.adapters.stackfile import LIMIT_BYTES, load_stack
from pvekit.model.errors import StackInvalid
from pvekit.model.stack import LocalFile

KINDS = frozenset({"debian"})
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
TEXT = """\
pvekit: 1
name: x
host: lab
images:
  own: {path: own.qcow2}
vms:
  a:
    kind: debian
    image: own
    ssh_keys: ["file:~/.ssh/id.pub", "file:team/other.pub"]
    user_data: file:user-data.yaml
    ansible: {playbooks: [site.yml]}
"""


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write a stack and what lies beside it; return the stack's path."""
    for name, text in {"stack.yaml": TEXT, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "stack.yaml"


def test_everything_is_found_beside_the_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    files = {
        "home/.ssh/id.pub": f"{KEY} me\n",
        "team/other.pub": f"{KEY} other\n",
        "user-data.yaml": "#cloud-config\nruncmd: [x]\n",
        "own.qcow2": "",
        "site.yml": "",
    }
    stack = write(tmp_path, files)
    vm = (found := load_stack(stack, KINDS)).vms[0]
    assert vm.ssh_keys == (f"{KEY} me", f"{KEY} other")
    assert vm.user_data == {"runcmd": ["x"]}
    assert vm.ansible.playbooks == (str(tmp_path / "site.yml"),)
    assert found.images["own"].source == LocalFile(str(tmp_path / "own.qcow2"), None)
    assert found.file == str(stack)


def test_what_is_missing_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "site.yml").mkdir()
    stack = write(tmp_path, {})
    with pytest.raises(StackInvalid) as caught:
        load_stack(stack, KINDS)
    found = [str(problem).removeprefix(f"{stack}:") for problem in caught.value.problems]
    assert [line.partition(": ")[2].partition(". ")[0] for line in found] == [
        "images.own.path: cannot use own.qcow2: no such file or directory",
        "vms.a.ssh_keys[0]: cannot read ~/.ssh/id.pub: no such file or directory",
        "vms.a.ssh_keys[1]: cannot read team/other.pub: no such file or directory",
        "vms.a.user_data: cannot read user-data.yaml: no such file or directory",
        "vms.a.ansible.playbooks[0]: cannot use site.yml: it is a folder",
    ]
    assert found[0].startswith("5:15: ")


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "no such file"), (b"\xff\xfe", "not UTF-8"), (b"#" * (LIMIT_BYTES + 1), "larger than 4 MiB")],
    ids=["absent", "binary", "large"],
)
def test_unreadable_stack_files(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "stack.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StackInvalid) as caught:
        load_stack(path, KINDS)
    assert why in str(caught.value.problems[0])
    assert caught.value.problems[0].hint
