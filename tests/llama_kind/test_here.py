"""What pvekit does on this machine for a language model: its CPU type, its file, its key, whether it fits."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.adapters.data import data_dir
from pvekit.adapters.secrets import kept
from pvekit.model.errors import ImageInvalid, SecretUnavailable
from pvekit.model.stack import LlamaModel, SecretRef
from pvekit.model.stack.secret import KEPT, parse_secret
from pvekit.provision.cpu import choose
from pvekit.workflows.llama_fit import refused
from pvekit.workflows.llama_models import local_file
from pvekit.workflows.places import kept_secret
from tests.llama.model import gemma
from tests.llama_kind.program import FOLDER
from tests.provision.world import desired_of, facts_of, stack_of

VM: dict[str, Any] = {"kind": "llama", "image": "debian", "llama": {"model": {"shape": "qwen2.5-14b"}}}


@pytest.mark.parametrize(
    ("nodes", "fields", "exists", "cpu"),
    [
        (("pve",), {}, False, "host"),
        (("pve", "pve2"), {"node": "pve"}, False, "x86-64-v3"),
        (("pve", "pve2"), {"node": "pve", "gpus": ["card"]}, False, "host"),
        (("pve", "pve2"), {"node": "pve", "cpu": "host"}, False, "host"),
        (("pve",), {}, True, None),
    ],
)
def test_the_cpu_type(nodes: tuple[str, ...], fields: dict[str, Any], exists: bool, cpu: str | None) -> None:
    gpus = {"card": {"match": {"id": "10de:1c07"}}}
    stack = stack_of({"llm": {**VM, "llama": {**VM["llama"], "gpu_layers": 0 if fields.get("gpus") else None}, **fields}
                      }, gpus=gpus)  # fmt: skip
    case: dict[str, Any] = {"nodes": dict.fromkeys(nodes), "is": {"llm": {}} if exists else {}}
    (vm,), notes = choose(None, desired_of(stack), facts_of(case, stack))  # type: ignore[arg-type]
    assert vm.config.get("cpu") == cpu
    assert bool(notes) == (not exists and "cpu" not in fields)


def test_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"model")
    digest = hashlib.sha256(b"model").hexdigest()
    model = LlamaModel("a", file=str(tmp_path / "a.gguf"), sha256=digest)
    assert local_file(model, print) == {"file": str(tmp_path / "a.gguf"), "sha256": digest, "size": 5}
    with pytest.raises(ImageInvalid, match="sha256 does not match"):
        local_file(LlamaModel("a", file=str(tmp_path / "a.gguf"), sha256="ab" * 32), print)
    with pytest.raises(ImageInvalid, match="there is no such file"):
        local_file(LlamaModel("a", file=str(tmp_path / "b.gguf")), print)


def test_a_model_that_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    first = local_file(LlamaModel("a", shape="tiny-13m", quant="Q8_0"), said.append)
    again = local_file(LlamaModel("a", shape="tiny-13m", quant="Q8_0"), said.append)
    assert first == again
    assert len(said) == 1
    assert [path.name for path in (tmp_path / "pvekit" / "models").iterdir()] == ["tiny-13m-q8_0-1.gguf"]
    with pytest.raises(ImageInvalid, match="no shape is called tiny-13x; near: tiny-13m") as caught:
        local_file(LlamaModel("a", shape="tiny-13x"), said.append)
    assert "pvekit llm synth --list" in caught.value.hint


def test_whether_it_fits_is_said_beforehand() -> None:
    disks = [{"size": "20GiB"}]
    small, large = (stack_of({"llm": {**VM, "memory": memory, "disks": disks}}) for memory in ("9GiB", "12GiB"))
    (text,), notes = refused(small, {"llm"})
    assert "the model does not fit: 8.4 GiB of weights" in text
    assert "Write memory: 12GiB" in text
    assert notes == ()
    assert refused(large, {"llm"}) == ((), ())
    assert refused(small, {"other"}) == ((), ())
    unknown = stack_of({"llm": {**VM, "llama": {"model": {"shape": "nonesuch-1b"}}}})
    reasons, (note,) = refused(unknown, {"llm"})
    assert reasons == ()
    assert "whether the model fits is not known" in note


def test_whether_the_disk_has_room_is_said_beforehand() -> None:
    gpus = {"card": {"match": {"id": "10de:1c07"}}}
    for more in ({}, {"gpus": ["card"], "llama": {**VM["llama"], "gpu_layers": 0}}):
        vm = {**VM, **more, "memory": "12GiB", "disks": [{"size": "10GiB"}]}
        (text,), notes = refused(stack_of({"llm": vm}, gpus=gpus), {"llm"})
        assert text.startswith("llm: the system disk has no room for the model: 8.4 GiB and 3 GiB for the system")
        assert "it has 10.0 GiB. Write disks: [{size: 12GiB}]" in text
        assert notes == ()
    both, _ = refused(stack_of({"llm": {**VM, "memory": "8GiB", "disks": [{"size": "10GiB"}]}}), {"llm"})
    assert len(both) == 2


def test_a_model_that_is_cut_off_is_not_sent(tmp_path: Path) -> None:
    with gemma().open("rb") as file:
        (tmp_path / "half.gguf").write_bytes(file.read(10_000_000))
    stack = stack_of({"llm": {**VM, "llama": {"model": {"file": str(tmp_path / "half.gguf")}}}})
    (text,), notes = refused(stack, {"llm"})
    assert text.startswith(f"llm: the model is not whole: {tmp_path}/half.gguf, byte 10000000: cut off: the data of ")
    assert text.endswith("the file has 10000000. Download it again")
    assert notes == ()


def test_a_key_is_made_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = kept_secret("home/llm/llama-key")
    assert path == tmp_path / "pvekit" / "stacks" / "home" / "secrets" / "llm-llama-key"
    with ThreadPoolExecutor(8) as pool:
        keys = {secret.reveal() for secret in pool.map(lambda _: kept(path), range(16))}
    (key,) = keys
    assert len(key) == 48
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    path.chmod(0o644)
    with pytest.raises(SecretUnavailable, match="can be used by others"):
        kept(path)


def test_no_stack_file_can_name_a_kept_secret() -> None:
    with pytest.raises(ValueError, match="never written into the stack file"):
        parse_secret(str(SecretRef(KEPT, "home/llm/llama-key")))


PLAY = """\
- hosts: localhost
  gather_facts: false
  vars:
    pvekit_llama_folder: {folder}
    pvekit_llama_begin: "100"
    ansible_host: 10.0.0.5
    ansible_user: ops
    ansible_ssh_private_key_file: /keys/my key
    ansible_ssh_common_args: "-o StrictHostKeyChecking=yes -o 'UserKnownHostsFile=\\"/a b\\"'"
  tasks:
    - ansible.builtin.copy:
        content: "{{{{ lookup('ansible.builtin.template', pvekit_llama_folder ~ '/{template}') }}}}"
        dest: {out}
        mode: "0600"
"""


@pytest.mark.parametrize("template", ["files.json.j2", "send.sh.j2"])
def test_what_ansible_makes_of_the_templates(template: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "play.yml").write_text(PLAY.format(folder=FOLDER, template=template, out=out))
    key = 'a "key" with \\ and $HOME and `id`'
    settings = {
        "name": "tiny", "context": 512, "slots": 1, "threads": None, "gpu_layers": None, "host": "127.0.0.1",
        "port": 8080, "idle_unload": None, "metrics": True, "args": [], "gpus": 0, "install": {"how": "package"},
    }  # fmt: skip
    model = {"file": "/models/my model.gguf", "sha256": "ab" * 32, "size": 5}
    variables = {"pvekit_llama": settings, "pvekit_llama_model": model, "pvekit_llama_key": key}
    (tmp_path / "vars.json").write_text(json.dumps(variables))
    argv = [sys.executable, "-m", "ansible", "playbook", "-i", "localhost,", "-c", "local"]
    argv += ["-e", f"ansible_python_interpreter={sys.executable}", "-e", "@vars.json", "play.yml"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if template == "send.sh.j2":
        assert subprocess.run(["sh", "-n", str(out)], check=False).returncode == 0
        text = " ".join(out.read_text().split())
        assert text.startswith("set -eu tail -c +101 '/models/my model.gguf' | ssh -F /dev/null")
        assert "-i '/keys/my key' -p 22 ops@10.0.0.5" in text
        return
    files = {entry["path"]: entry for entry in json.loads(out.read_text())}
    programs = {path.name for path in (data_dir("templates") / "llama/lib/pvekit_llama").glob("*.py")}
    assert {Path(path).name for path in files if "pvekit_llama/" in path} == programs
    assert files["/etc/pvekit/llama.env"]["mode"] == "0600"
    line = files["/etc/pvekit/llama.env"]["content"].splitlines()[1]
    shown = subprocess.run(["bash", "-c", f'{line}; printf %s "$LLAMA_API_KEY"'], capture_output=True, text=True,
                           check=True).stdout  # fmt: skip
    assert shown == key
    assert key not in json.dumps([entry for path, entry in files.items() if path != "/etc/pvekit/llama.env"])
    wanted = json.loads(files["/etc/pvekit/llama.json"]["content"])
    assert wanted["model"] == model
    assert yaml.safe_load(json.dumps(wanted["install"])) == {"how": "package"}
