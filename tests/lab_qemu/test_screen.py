"""The screen of real QEMU through the API: firmware only, nothing boots an operating system."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters import rfb
from pvekit.adapters.pve import Endpoint, Pve, Token, Trust, block_reads, screenshot, send_key, status
from pvekit.lab.certificate import certificate
from pvekit.lab.daemon import first_secrets
from pvekit.lab.lab import Lab
from pvekit.lab.qemu import QemuDisks, QemuMachines, kvm
from pvekit.lab.qemu.needs import OVMF
from pvekit.lab.server import LabServer
from pvekit.lab.settings import Settings
from pvekit.model.errors import ApiError
from pvekit.model.picture import Picture
from tests.conftest import Figure
from tests.helpers.schema import SentRequests
from tests.lab.running import Client

pytestmark = pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed")
VM = "/nodes/pve/qemu/100"
SMALL: dict[str, Any] = {"memory": 64, "scsihw": "virtio-scsi-single", "scsi0": "local:1", "virtio1": "local:1"}
UEFI: dict[str, Any] = {**SMALL, "memory": 256, "machine": "q35", "bios": "ovmf", "efidisk0": "local:1,efitype=4m"}


class Node:
    """The API with real QEMU behind it, and one VM that is stopped at the end."""

    def __init__(self, state: Path, sent: SentRequests) -> None:
        state.mkdir()
        self.machines = QemuMachines(state / "run", kvm.SOFTWARE)
        self.lab = Lab(Settings(state=state), self.machines, QemuDisks(self.machines))
        secrets = first_secrets(self.lab)
        self.server = LabServer(self.lab, certificate(state, "pve"))
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        token = Token(secrets["token_id"], secrets["token_secret"])
        self.api = Client(self.server.port, {"Authorization": f"PVEAPIToken={token.id}={token.secret}"})
        url = f"https://127.0.0.1:{self.server.port}"
        self.pve = Pve.open(Endpoint((url,), Trust((self.lab.fingerprint,)), token), on_request=sent)

    def start(self, **config: Any) -> None:
        self.done(self.api.post("/nodes/pve/qemu", vmid=100, **config))
        self.done(self.api.post(f"{VM}/status/start"))

    def done(self, upid: str) -> None:
        task = self.lab.tasks.get(upid)
        assert task is not None
        assert task.done.wait(60)
        assert task.exit == "OK", task.lines

    def close(self) -> None:
        self.machines.stop(100, lambda line: None)
        self.pve.close()
        self.api.close()
        self.server.shutdown()
        self.server.server_close()

    def dump(self, folder: Path) -> Picture:
        """Return QEMU's own picture of the screen."""
        assert self.machines.hmp(100, f"screendump {folder / 'dump.ppm'}") == ""
        data = (folder / "dump.ppm").read_bytes()
        header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
        assert header
        return Picture(int(header[1]), int(header[2]), data[header.end() :])


@pytest.fixture
def node(tmp_path: Path, sent: SentRequests) -> Iterator[Node]:
    made = Node(tmp_path / "state", sent)
    yield made
    made.close()
    sent.check()


@pytest.fixture
def sent() -> SentRequests:
    return SentRequests()


def until(look: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.5)


def test_every_pixel_is_the_one_that_qemu_has(node: Node, tmp_path: Path) -> None:
    node.start(**SMALL)
    blank = screenshot(node.pve, "pve", 100)
    until(lambda: screenshot(node.pve, "pve", 100) != blank)  # the BIOS has something to say
    time.sleep(1.0)
    node.machines.pause(100)
    assert screenshot(node.pve, "pve", 100) == node.dump(tmp_path).png()


def test_a_person_who_looks_already_stays(node: Node) -> None:
    node.start(**SMALL)
    with node.machines.vnc(100, "longpassword") as seat:
        stream = rfb.Stream(lambda: seat.recv(65536), seat.sendall)
        assert rfb.grab(stream, "longpass").width >= 320
        assert screenshot(node.pve, "pve", 100)
        seat.sendall(b"\3\0\0\0\0\0\0\1\0\1")
        assert stream.exact(1) == b"\0"


def test_the_password_is_needed(node: Node) -> None:
    node.start(**SMALL)
    with node.machines.vnc(100, "secret-1") as seat:
        stream = rfb.Stream(lambda: seat.recv(65536), seat.sendall)
        with pytest.raises(rfb.RfbRefused):
            rfb.grab(stream, "secret-2")


def test_no_display(node: Node) -> None:
    node.start(**SMALL, vga="serial0", serial0="socket")
    with pytest.raises(ApiError, match="closed the screen before a picture came"):
        screenshot(node.pve, "pve", 100)


@pytest.mark.slow
@pytest.mark.skipif(not OVMF.exists(), reason="ovmf is not installed")
def test_keys_reach_the_firmware(node: Node, figure: Figure) -> None:
    """The UEFI shell shows a prompt; a typed word changes the picture, an unknown key is an error."""
    node.start(**UEFI)
    begun = time.monotonic()
    seen = [screenshot(node.pve, "pve", 100)]

    def settled() -> bool:
        seen.append(screenshot(node.pve, "pve", 100))
        time.sleep(2.0)
        return len(set(seen)) > 2 and len(set(seen[-3:])) == 1

    until(settled, 120.0)
    shell = time.monotonic() - begun
    for key in ("v", "e", "r"):
        send_key(node.pve, "pve", 100, key)
    until(lambda: screenshot(node.pve, "pve", 100) != seen[-1], 20.0)
    typed = screenshot(node.pve, "pve", 100)
    send_key(node.pve, "pve", 100, "ret")
    until(lambda: screenshot(node.pve, "pve", 100) != typed, 20.0)
    with pytest.raises(ApiError, match="nonsense"):
        send_key(node.pve, "pve", 100, "nonsense")
    assert set(status(node.pve, "pve", 100)["blockstat"]) == {"pflash0", "efidisk0", "scsi0", "virtio1"}
    assert block_reads(node.pve, "pve", 100, "scsi0") > 0
    begun = time.monotonic()
    screenshot(node.pve, "pve", 100)
    figure(f"UEFI shell still after {shell:.0f} s; one screenshot takes {time.monotonic() - begun:.2f} s")
