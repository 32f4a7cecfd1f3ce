"""What is sent into the guest: the script that looks, by a real shell, and the job for the card, on a stub."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pvekit.adapters import hostscript
from pvekit.adapters.collect import parse
from pvekit.adapters.data import data_dir
from pvekit.model.guestpci import GuestDevice
from pvekit.passthrough.proof_guest import compute_of, evidence_of, look_of
from pvekit.workflows.verify_guest import COMPUTE, LOOK

CARD = GuestDevice("10de:1c07", "0000:01:00.0", "nvidia", "030200")
CALLS = (
    *("cuInit", "cuDeviceGetCount", "cuDeviceGet", "cuDeviceGetName", "cuDeviceGetPCIBusId", "cuCtxCreate_v2"),
    *("cuMemAlloc_v2", "cuMemsetD32_v2", "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2"),
)


def test_the_script_looks_at_this_machine() -> None:
    shell = shutil.which("dash") or "sh"
    done = subprocess.run([shell, "-s"], input=hostscript.text(LOOK), capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    said = parse("here", done.stdout.decode())
    devices = look_of(1, said).devices
    folder = Path("/sys/bus/pci/devices")
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    assert [device.address for device in devices] == there
    for device in devices:
        here = folder / device.address
        assert device.id == ":".join((here / name).read_text().strip()[2:] for name in ("vendor", "device"))
        driver = here / "driver"
        assert device.driver == (driver.resolve().name if driver.exists() else "")
        lines = (here / "resource").read_text().splitlines()[:6]
        assert len(device.bars) == sum(int(line.split()[2], 16) & 0x300 != 0 for line in lines)
    assert "guest/devices.txt" not in evidence_of(said)
    assert {"guest/dmesg.txt", "guest/lspci.txt"} <= said.files.keys() | said.left_out.keys()


def test_a_script_that_is_cut_short_does_nothing() -> None:
    text = hostscript.text(LOOK)
    cut = text[: text.rindex(b"collect <")]
    done = subprocess.run(["sh", "-s"], input=cut, capture_output=True, timeout=60, check=True)
    assert done.stdout == b""


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "pvekit_passthrough_compute", data_dir("templates") / "host" / COMPUTE
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Driver:
    """libcuda's calls on memory of this process. ``fails`` refuses one of them, ``forgets`` loses what was written."""

    def __init__(self, fails: str = "", *, cards: int = 1, forgets: bool = False, lacks: str = "") -> None:
        self.fails, self.cards, self.forgets, self.lacks = fails, cards, forgets, lacks
        self.memory: bytearray | None = None
        self.open = 0

    def __getattr__(self, name: str) -> Any:
        if name == self.lacks:
            raise AttributeError(name)

        def call(*arguments: Any) -> int:
            if name == self.fails:
                return 719
            return int(getattr(self, f"do_{name}")(*arguments) or 0)

        return call

    def do_cuGetErrorName(self, code: int, text: Any) -> int:  # noqa: N802
        text._obj.value = b"CUDA_ERROR_LAUNCH_FAILED"
        return int(code != 719)

    def do_cuInit(self, flags: Any) -> None:  # noqa: N802
        assert flags.value == 0

    def do_cuDeviceGetCount(self, count: Any) -> None:  # noqa: N802
        count._obj.value = self.cards

    def do_cuDeviceGet(self, device: Any, number: int) -> None:  # noqa: N802
        device._obj.value = number

    def do_cuDeviceGetName(self, name: Any, size: int, device: Any) -> None:  # noqa: N802
        name.value = f"card {device.value}".encode()

    def do_cuDeviceGetPCIBusId(self, address: Any, size: int, device: Any) -> None:  # noqa: N802
        address.value = f"0000:{device.value + 1:02X}:00.0".encode()

    def do_cuCtxCreate_v2(self, context: Any, flags: Any, device: Any) -> None:  # noqa: N802
        context._obj.value = 7
        self.open += 1

    def do_cuCtxDestroy_v2(self, context: Any) -> None:  # noqa: N802
        assert context.value == 7
        self.open -= 1

    def do_cuMemAlloc_v2(self, memory: Any, size: Any) -> None:  # noqa: N802
        memory._obj.value = 4096
        self.memory = bytearray(size.value)
        self.open += 1

    def do_cuMemFree_v2(self, memory: Any) -> None:  # noqa: N802
        assert memory.value == 4096
        self.open -= 1

    def do_cuMemsetD32_v2(self, memory: Any, word: Any, count: Any) -> None:  # noqa: N802
        assert self.memory is not None
        self.memory[:] = bytes(word) * count.value

    def do_cuMemcpyHtoD_v2(self, memory: Any, source: Any, size: Any) -> None:  # noqa: N802
        assert self.memory is not None
        if not self.forgets:
            self.memory[: size.value] = bytes(source._obj)

    def do_cuMemcpyDtoH_v2(self, target: Any, memory: Any, size: Any) -> None:  # noqa: N802
        assert self.memory is not None
        target.raw = bytes(self.memory[: size.value])


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load()
    monkeypatch.setattr(module, "BYTES", 1 << 16)
    return module


def said(job: ModuleType, driver: Driver) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        job.main(lambda name: driver)
    assert driver.open == 0, "everything is given back"
    return out.getvalue()


def test_the_job_on_a_card(job: ModuleType) -> None:
    found = compute_of(said(job, Driver(cards=2)), [CARD])
    assert found.done is True
    assert found.text.startswith("card 0 filled")


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_fails_is_named(call: str, job: ModuleType) -> None:
    text = said(job, Driver(call))
    assert compute_of(text, [CARD]).done is False
    assert f"{call}: CUDA_ERROR_LAUNCH_FAILED (719)" in json.dumps(json.loads(text))


def test_a_driver_without_a_call_is_named(job: ModuleType) -> None:
    assert "cuCtxCreate_v2: this driver does not have it" in said(job, Driver(lacks="cuCtxCreate_v2"))


def test_memory_that_comes_back_changed(job: ModuleType) -> None:
    found = compute_of(said(job, Driver(forgets=True)), [CARD])
    assert (found.done, found.text) == (False, "card 0: the memory that came back is not what was written")


def test_no_card_and_another_card(job: ModuleType) -> None:
    assert compute_of(said(job, Driver(cards=0)), [CARD]).text == "CUDA does not list the card"
    other = GuestDevice("10de:1c07", "0000:09:00.0", "nvidia", "030200")
    assert compute_of(said(job, Driver()), [other]).done is False


def test_a_machine_without_the_library() -> None:
    argv = [sys.executable, "-"]
    done = subprocess.run(argv, input=hostscript.text(COMPUTE), capture_output=True, timeout=60, check=True)
    answer = json.loads(done.stdout)
    if "missing" not in answer:
        pytest.skip("this machine has NVIDIA's driver")
    assert compute_of(done.stdout.decode(), [CARD]).text == "no compute job: the guest has no libcuda.so.1"
