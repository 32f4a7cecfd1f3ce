"""A VM and its node: what each side says, what PVE says, and how the two are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pvekit.adapters import pve as api
from pvekit.adapters.ssh import Completed
from pvekit.cli import llm_show_probe
from pvekit.inference.probed import Probed, read, write
from pvekit.model.errors import ApiError, NotFound, TaskFailed
from pvekit.workflows import llm_machine
from pvekit.workflows.llm_machine import Machine, cpu_type
from pvekit.workflows.llm_probe import probe

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases/machines.yaml").read_text())
VM = CASES[0]
ROW = (
    '{{"n_prompt": {p}, "n_gen": {n}, "avg_ts": {rate}, "samples_ts": [{rate}], "n_threads": {t}, "n_batch": 2048, '
    '"n_gpu_layers": -1, "gpu_info": "", "model_size": 8000000000}}\n'
)


@dataclass
class Side:
    """Answers as a machine would: the script from recorded sections, llama-bench by a formula."""

    where: str
    files: Mapping[str, str]
    reads: str = '{"1": 8.0, "2": 14.5}'
    asked: list[list[str]] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Completed:
        self.asked.append(list(argv))
        if argv[:2] == ["sh", "-s"]:
            sections = "".join(f"\nM file {name}\n{text}" for name, text in self.files.items())
            return Completed(0, f"Welcome\npvekit-collect 1 M\n{sections}\nM end\n", "")
        if argv[0] == "python3":
            return Completed(0, self.reads, "")
        if argv[0] == "stat":
            return Completed(1, "", "stat: cannot statx")
        if argv[0] == "test":
            return Completed(0 if argv[2] == "/models/14b.gguf" else 1, "", "")
        if argv[:2] == ["sh", "-c"]:
            options = dict(zip(argv[5::2], argv[6::2], strict=False))
            threads = int(options["-t"])
            tokens, prompt = int(options["-n"]), int(options["-p"])
            rate = 0.11 * threads if tokens else 0.15 * threads
            loaded = (
                "load_backend: loaded CPU backend from /usr/lib/libggml-cpu-sse42.so\n0m0.01s 0m0s\n1m2.5s 0m0.5s\n"
            )
            return Completed(0, ROW.format(p=prompt, n=tokens, rate=rate, t=threads), loaded)
        raise AssertionError(argv)


def machine(**fields: Any) -> Machine:
    told = {"host.cpu_type": "x86-64-v2-AES", "host.vcpus": 2, "host.balloon": 2**30, "pve.numa": False}
    node = Side("pve1", VM["below"], '{"1": 9.0, "2": 16.9}')
    usual = {"runner": Side("llm", VM["files"]), "node": node, "told": told, "volume": "local-lvm:vm-100-disk-0"}
    return Machine("llm", **{**usual, **fields})


@pytest.fixture(scope="module")
def found() -> Probed:
    return probe(machine(), model="/models/14b.gguf")


def test_both_sides_are_in_one_probe(found: Probed) -> None:
    assert (found.guest.isa, found.guest.variant) == ("sse42", "sse42")
    assert (found.host.cpu_type, found.host.vcpus, found.host.populated_channels) == ("x86-64-v2-AES", 2, 2)
    assert (found.host.disk, found.host.triad, found.host.balloon) == ("nvme", 16.9, 2**30)
    assert found.hardware.cpu.isa == "avx2"
    assert found.hardware.memory.bandwidth() == pytest.approx(2 * 2133 * 8 / 1000)
    assert {run.threads: run.rate for run in found.runs if run.phase == "decode"} == {1: 0.11, 2: 0.22}
    assert all(run.variant == "sse42" for run in found.runs)
    assert found.read == 8_000_000_000
    assert read(write(found)) == found


def test_what_contradicts_is_pointed_out(found: Probed) -> None:
    assert [each.id for each in found.contradictions] == ["cpu-type", "channels", "governor", "ksm", "balloon"]
    text = llm_show_probe.text(found)
    assert "the guest shows sse42 only, the processor has avx2 (the VM's cpu: x86-64-v2-AES)" in text
    assert "2 of 4 memory channels have a module" in text


def test_the_node_is_asked_for_the_volume_and_the_guest_for_the_model() -> None:
    made = machine()
    probe(made, model="/models/14b.gguf")
    assert isinstance(made.runner, Side)
    assert isinstance(made.node, Side)
    assert made.runner.asked[0][3:] == ["all", "/models/14b.gguf", "-"]
    assert made.node.asked[0][3:] == ["all", "-", "local-lvm:vm-100-disk-0"]


def test_a_node_that_cannot_be_reached_is_said_so() -> None:
    found = probe(machine(node=None, no_node="no SSH to pve1"), model="/models/14b.gguf")
    assert found.missing["host"].why == "no SSH to pve1"
    assert found.host.populated_channels is None
    assert found.host.triad is None
    assert found.host.cpu_type == "x86-64-v2-AES"
    # Nothing tells what the processor could do: nothing is claimed of it.
    assert "cpu-type" not in {each.id for each in found.contradictions}
    assert found.hardware.memory.bandwidth() == pytest.approx(14.5 / 0.85, abs=0.1)


def test_the_model_that_the_unit_serves_is_measured_with() -> None:
    unit = 'ExecStart="/usr/bin/llama-server" "--model" "/models/14b.gguf" "--port" "8080" $LLAMA_EXTRA_ARGS\n'
    found = probe(machine(runner=Side("llm", {**VM["files"], "unit.txt": unit})))
    assert found.model == "14b.gguf"


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(NotFound, match="cannot be read"):
        probe(machine(), model="/models/none.gguf")


def test_an_answer_that_ends_early_is_refused() -> None:
    class Broken(Side):
        def run(self, argv: Sequence[str], **rest: Any) -> Completed:
            return Completed(0, "pvekit-collect 1 M\n\nM file cpuinfo.txt\nflags: avx", "sh: write error")

    with pytest.raises(TaskFailed, match="ends too early"):
        probe(machine(runner=Broken("llm", {}), node=None))


@pytest.mark.parametrize(("text", "name"), [
    ("", "kvm64"), ("host", "host"), ("x86-64-v3,flags=+aes", "x86-64-v3"),
    ("cputype=custom-avx2,hidden=1", "custom-avx2"), ("flags=+aes", "kvm64"),
])  # fmt: skip
def test_the_cpu_type_of_a_configuration(text: str, name: str) -> None:
    assert cpu_type(text) == name


@pytest.mark.parametrize(("config", "status", "told", "volume"), [
    ({"cores": "4", "sockets": "2", "cpu": "host", "scsi0": "ssd:vm-100-disk-1,size=40G", "scsi1": "x:a,media=cdrom"},
     {"balloon": 6 * 2**30, "maxmem": 8 * 2**30},
     {"host.cpu_type": "host", "host.vcpus": 8, "host.balloon": 2 * 2**30, "pve.numa": False}, "ssd:vm-100-disk-1"),
    ({"cores": "14", "numa": "1", "balloon": "0", "sata1": "a:1,size=1G"}, {"maxmem": 2**33},
     {"host.cpu_type": "kvm64", "host.vcpus": 14, "host.balloon": 0, "pve.numa": True}, "a:1"),
])  # fmt: skip
def test_what_pve_tells_of_a_vm(
    config: dict[str, str],
    status: dict[str, Any],
    told: dict[str, object],
    volume: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(api, "guest_config", lambda *_: config, raising=False)
    monkeypatch.setattr(api, "status", lambda *_: status, raising=False)
    session: Any = SimpleNamespace(pve=None)
    state: Any = SimpleNamespace(node="pve1", vmid=100)
    assert llm_machine.told_by_pve(session, state) == (told, volume)


def test_what_pve_does_not_tell_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> dict[str, str]:
        raise ApiError("no permission", status=403)

    monkeypatch.setattr(api, "guest_config", refuse, raising=False)
    session: Any = SimpleNamespace(pve=None)
    state: Any = SimpleNamespace(node="pve1", vmid=100)
    told, volume = llm_machine.told_by_pve(session, state)
    assert volume == ""
    assert set(told) == {"host.cpu_type"}
