"""One real guest, from packages to login prompt. Minutes without KVM; the image comes from the cache if it can."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from pvekit.lab.doors import DoorError, VmStart
from pvekit.lab.image.build import build
from pvekit.lab.qemu import QemuDisks, QemuMachines

pytestmark = [
    pytest.mark.guest,
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed"),
]
SEED = {
    "user-data": "#cloud-config\nhostname: probe\nfqdn: probe.lab\nusers: [default]\n"
    "write_files: [{path: /etc/probe, content: written}]\nruncmd: [[sh, -c, 'id debian > /etc/probe.run']]\n",
    "meta-data": "instance-id: probe-1\n",
    "network-config": "version: 2\nethernets:\n  nic0:\n    match: {macaddress: 'bc:24:11:00:00:42'}\n"
    "    addresses: [192.168.77.20/24]\n    routes: [{to: 0.0.0.0/0, via: 192.168.77.1}]\n"
    "    nameservers: {addresses: [192.168.77.1]}\n",
}
LOOK = (
    "hostname -f; cat /etc/probe; echo; cut -d'(' -f1 /etc/probe.run; df -m --output=size / | tail -1; "
    "systemctl is-system-running; ip -br -4 addr show scope global; ls /etc/ssh/ssh_host_*_key"
)


def write_seed(path: Path) -> Path:
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, text) in enumerate(SEED.items()):
        data = text.encode()
        disc.add_fp(io.BytesIO(data), len(data), f"/F{number}.;1", rr_name=name, joliet_path=f"/{name}")
    disc.write(str(path))
    disc.close()
    return path


def until(seconds: float, what: str, probe: Callable[[], Any]) -> Any:
    """Return the first true answer of the probe."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := probe():
                return answer
        except (DoorError, OSError):
            pass
        time.sleep(1)
    pytest.fail(f"{what} did not come within {seconds:.0f} s")


class Guest:
    def __init__(self, machines: QemuMachines, vm: VmStart) -> None:
        self.machines = machines
        self.vm = vm

    def run(self, *argv: str) -> str:
        """Run a program in the guest through the agent and return its output."""
        arguments = {"path": argv[0], "arg": list(argv[1:]), "capture-output": True}
        pid = self.machines.agent(self.vm.vmid, "guest-exec", arguments, 60)["pid"]
        done = until(60, argv[0], lambda: self._ended(pid))
        return base64.b64decode(done.get("out-data", "")).decode()

    def _ended(self, pid: int) -> Any:
        status = self.machines.agent(self.vm.vmid, "guest-exec-status", {"pid": pid}, 60)
        return status if status["exited"] else None


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[Guest]:
    machines = QemuMachines(tmp_path / "run")
    disks = QemuDisks(machines)
    image = build(None, print)
    disks.overlay(image, tmp_path / "disk.qcow2")
    disks.resize(tmp_path / "disk.qcow2", 6 << 30)
    config = {
        "machine": "q35", "cores": "2", "memory": "1024", "scsihw": "virtio-scsi-single", "agent": "1", "ostype": "l26",
        "scsi0": "local:900/disk.qcow2,discard=on,ssd=1", "ide2": "local:iso/seed.iso,media=cdrom", "serial0": "socket",
        "net0": "virtio=BC:24:11:00:00:42,bridge=vmbr0", "vga": "serial0", "rng0": "source=/dev/urandom",
        "boot": "order=scsi0",
    }  # fmt: skip
    volumes = {"local:900/disk.qcow2": tmp_path / "disk.qcow2", "local:iso/seed.iso": write_seed(tmp_path / "seed.iso")}
    vm = VmStart(900, "probe", config, volumes, "127.77.3.132")
    machines.start(vm, print)
    yield Guest(machines, vm)
    machines.stop(900, print)


def test_a_guest_comes_up_with_all_that_its_seed_says(guest: Guest) -> None:
    began = time.monotonic()
    until(400, "the agent", lambda: guest.machines.agent(900, "guest-ping", {}, 5) == {})
    print(f"agent after {time.monotonic() - began:.0f} s")
    result = json.loads(until(200, "cloud-init's result", lambda: guest.run("/bin/cat", "/run/cloud-init/result.json")))
    print(f"cloud-init done after {time.monotonic() - began:.0f} s")
    assert result["v1"] == {"datasource": "DataSourceNoCloud [seed=/dev/sr0]", "errors": []}

    facts = guest.run("/bin/sh", "-c", LOOK).split("\n")
    assert facts[:3] == ["probe.lab", "written", "uid=1000"]
    assert int(facts[3]) > 5000, "the root file system did not grow"
    assert facts[4] in {"running", "starting"}
    assert "192.168.77.20/24" in facts[5]
    assert facts[6:] == ["/etc/ssh/ssh_host_ed25519_key", ""]

    def banner() -> bool:
        with socket.create_connection((guest.vm.address, 22 if os.geteuid() == 0 else 2222), 5) as channel:
            channel.settimeout(20)
            return channel.recv(8).startswith(b"SSH-2.0")

    assert until(60, "SSH", banner)
    assert "cloud-init" in guest.machines.serial_log(900).read_text(errors="replace")
    assert guest.machines.shutdown(900, 120, print)
    assert guest.machines.running() == ()
