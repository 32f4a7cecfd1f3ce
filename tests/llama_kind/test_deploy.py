"""``pvekit llm deploy``: a stack file from a few words."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from pvekit import guests
from pvekit.adapters.stackfile import load_stack
from pvekit.cli.llm.deploy import command
from pvekit.model.errors import PvekitError, StackInvalid
from pvekit.workflows.llm_deploy import Asked, text, write

LIKE = """\
pvekit: 1
name: home
# The server
host:
  endpoint: https://192.168.1.2:8006
  verify: system

  token: {id: "root@pam!home", secret: "env:PVEKIT_TOKEN"}
defaults: {storage: tank}
images:
  x: {build: debian-13}
vms: {web: {kind: debian, image: x}}
"""


def test_the_file_is_a_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["tiny-13m", "--quant", "Q8_0", "--memory", "1GiB", "--lan", "--write-only"]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert done.output == "wrote llm.yaml\nnext: pvekit up llm.yaml\n"
    (vm,) = load_stack(tmp_path / "llm.yaml", guests.kinds()).vms
    assert vm.llama is not None
    assert (vm.kind, vm.memory_mib, vm.llama.listen) == ("llama", 1024, "lan")
    assert (vm.llama.model.shape, vm.llama.model.quant) == ("tiny-13m", "Q8_0")
    before = (tmp_path / "llm.yaml").read_text()
    with pytest.raises(PvekitError, match=r"llm\.yaml exists"):
        write(tmp_path / "llm.yaml", Asked("llm", "tiny-13m"))
    assert (tmp_path / "llm.yaml").read_text() == before


def test_the_host_of_another_stack(tmp_path: Path) -> None:
    (tmp_path / "home.yaml").write_text(LIKE)
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    asked = Asked(
        "chat", str(tmp_path / "a.gguf"), image="https://cloud.example/u.img", image_sha256="ab" * 32,
        like=tmp_path / "home.yaml",
    )  # fmt: skip
    write(tmp_path / "chat.yaml", asked)
    stack = load_stack(tmp_path / "chat.yaml", guests.kinds())
    assert stack.host is not None
    assert stack.host.endpoints == ("https://192.168.1.2:8006",)
    (vm,) = stack.vms
    assert vm.llama is not None
    assert (vm.storage, vm.llama.model.file, vm.llama.listen) == ("tank", str(tmp_path / "a.gguf"), "loopback")
    (tmp_path / "none.yaml").write_text("pvekit: 1\n")
    with pytest.raises(PvekitError, match="names no host"):
        text(Asked("chat", "tiny-13m", like=tmp_path / "none.yaml"))


def test_what_cannot_be_is_not_left(tmp_path: Path) -> None:
    with pytest.raises(StackInvalid, match="1 mistake"):
        write(tmp_path / "a.yaml", Asked("llm", "https://models.example/a.gguf"))
    assert list(tmp_path.iterdir()) == []
