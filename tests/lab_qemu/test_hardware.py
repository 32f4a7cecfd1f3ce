"""Real QEMU without an operating system in it: everything that needs a process but no guest. A second each."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pvekit.lab.doors import Disks, DoorError, Machines, VmStart
from pvekit.lab.qemu import QemuDisks, QemuMachines, kvm
from pvekit.lab.qemu.needs import OVMF

pytestmark = pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="qemu-system-x86 is not installed")
ADDRESS = f"127.77.0.{100 + int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])}"
"""The ports of one address can be taken once: each worker has its own."""
MIB = 1024 * 1024
CONFIG = {
    "machine": "pc", "memory": "64", "scsihw": "virtio-scsi-pci", "scsi0": "local:100/a.qcow2", "agent": "1",
    "ide2": "local:iso/a.iso,media=cdrom", "net0": "virtio=BC:24:11:00:00:01", "serial0": "socket",
}  # fmt: skip


class Lab:
    """Machines, disks and one VM that is stopped at the end, whatever happened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log: list[str] = []
        self.machines = QemuMachines(folder / "run", kvm.SOFTWARE)
        self.disks = QemuDisks(self.machines)
        self.volumes = {f"local:100/{name}.qcow2": folder / f"{name}.qcow2" for name in ("a", "b")}
        for path in self.volumes.values():
            self.disks.create(path, 4 * MIB, "qcow2")
        for name in ("a", "b"):
            self.volumes[f"local:iso/{name}.iso"] = folder / f"{name}.iso"
            (folder / f"{name}.iso").write_bytes(name.encode() * MIB)

    def vm(self, **changes: str) -> VmStart:
        config: Mapping[str, str] = {**CONFIG, **changes}
        return VmStart(100, "test", config, self.volumes, ADDRESS)

    def start(self, **changes: str) -> VmStart:
        vm = self.vm(**changes)
        self.machines.start(vm, self.log.append)
        return vm


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.machines.stop(100, made.log.append)


def test_the_doors_are_kept(lab: Lab) -> None:
    machines: Machines = lab.machines
    disks: Disks = lab.disks
    assert machines.running() == ()
    assert disks.info(lab.folder / "a.qcow2")["format"] == "qcow2"


def test_life_of_a_vm(lab: Lab) -> None:
    assert lab.machines.status(100) is None
    lab.start()
    other = QemuMachines(lab.folder / "run", kvm.SOFTWARE)  # the API server was restarted
    assert other.running() == (100,)
    status = other.status(100)
    assert status is not None
    assert status["qmpstatus"] == "running"
    assert status["mem"] > 10 * MIB
    with pytest.raises(DoorError, match="VM 100 already running"):
        lab.start()
    other.pause(100)
    assert (other.status(100) or {})["qmpstatus"] == "paused"
    other.resume(100)
    other.reset(100)
    other.send_key(100, "ctrl-alt-delete")
    assert "running" in other.hmp(100, "info status")
    assert other.serial_socket(100).is_socket()
    with pytest.raises(DoorError, match=r"^QEMU guest agent is not running$"):
        other.agent(100, "guest-ping", {}, 2)
    assert other.shutdown(100, 0.5, lab.log.append) is False
    other.stop(100, lab.log.append)
    assert other.status(100) is None
    other.stop(100, lab.log.append)
    with pytest.raises(DoorError, match="VM 100 not running"):
        other.reset(100)


def test_a_killed_vm_is_seen_and_can_start_again(lab: Lab) -> None:
    lab.start()
    status = lab.machines.status(100)
    assert status is not None
    os.kill(status["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 10
    while lab.machines.running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert lab.machines.status(100) is None
    lab.start()
    assert lab.machines.running() == (100,)


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_discs_change(lab: Lab, machine: str) -> None:
    lab.start(machine=machine)
    for value, shown in (("none,media=cdrom", ""), ("none,media=cdrom", ""), ("local:iso/b.iso,media=cdrom", "b.iso"),
                         ("local:iso/a.iso,media=cdrom", "a.iso")):  # fmt: skip
        assert lab.machines.hotplug(lab.vm(machine=machine, ide2=value), "ide2", value, lab.log.append)
        found = lab.machines.hmp(100, "info block")
        assert [name for name in ("a.iso", "b.iso") if name in found] == ([shown] if shown else [])


@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_disks_and_cards_come(lab: Lab, machine: str) -> None:
    lab.start(machine=machine)
    disk, card = "local:100/b.qcow2,serial=B", "virtio=BC:24:11:00:00:02"
    vm = lab.vm(machine=machine, scsi1=disk, net1=card)
    assert lab.machines.hotplug(vm, "scsi1", disk, lab.log.append)
    assert lab.machines.hotplug(vm, "scsi1", f"{disk},backup=0", lab.log.append)
    assert not lab.machines.hotplug(vm, "scsi1", "local:100/a.qcow2", lab.log.append)
    assert lab.machines.hotplug(vm, "net1", card, lab.log.append)
    assert lab.machines.hotplug(vm, "net1", f"{card},link_down=1", lab.log.append)
    assert not lab.machines.hotplug(vm, "net1", "virtio=BC:24:11:00:00:99", lab.log.append)
    assert not lab.machines.hotplug(vm, "usb0", "host=1-1", lab.log.append)
    assert lab.machines.unplug(vm, "scsi1", lab.log.append)
    assert lab.machines.unplug(vm, "scsi1", lab.log.append)
    assert lab.machines.hotplug(vm, "scsi1", disk, lab.log.append)
    assert not lab.machines.unplug(lab.vm(), "ide2", lab.log.append)


def test_what_cannot_come_live_stays_pending(lab: Lab) -> None:
    vm = lab.vm(scsihw="lsi", sata0="local:100/b.qcow2", scsi1="local:100/b.qcow2")
    lab.start(scsihw="lsi")
    assert not lab.machines.hotplug(vm, "scsi1", "local:100/b.qcow2", lab.log.append)
    assert not lab.machines.hotplug(vm, "sata0", "local:100/b.qcow2", lab.log.append)


def test_disks_of_a_running_vm(lab: Lab) -> None:
    lab.start()
    image = lab.folder / "a.qcow2"
    lab.disks.resize(image, 8 * MIB)
    lab.machines.grow(100, "scsi0", 8 * MIB)
    assert lab.disks.info(image)["virtual-size"] == 8 * MIB
    lab.disks.snapshot(image, "live")
    assert [each["name"] for each in lab.disks.info(image)["snapshots"]] == ["live"]
    with pytest.raises(DoorError, match="in use by a running VM"):
        lab.disks.rollback(image, "live")
    lab.disks.drop_snapshot(image, "live")
    lab.disks.convert(image, lab.folder / "copy.qcow2", "qcow2", lab.log.append)


def test_memory_is_saved_and_restored(lab: Lab) -> None:
    vm = lab.start()
    lab.machines.pause(100)
    lab.machines.snapshot_memory(100, "state", lab.log.append)
    lab.disks.snapshot(lab.folder / "a.qcow2", "state")
    lab.machines.stop(100, lab.log.append)
    lab.machines.restore_memory(vm, "state", lab.log.append)
    assert (lab.machines.status(100) or {})["qmpstatus"] == "running"
    lab.machines.stop(100, lab.log.append)
    with pytest.raises(DoorError, match="snapshot-load failed"):
        lab.machines.restore_memory(vm, "never", lab.log.append)
    assert lab.machines.running() == ()


def test_a_state_needs_qcow2_everywhere(lab: Lab) -> None:
    lab.disks.create(lab.folder / "c.raw", MIB, "raw")
    lab.volumes["local:100/c.raw"] = lab.folder / "c.raw"
    lab.start(scsi1="local:100/c.raw")
    with pytest.raises(DoorError, match="scsi1: saving the state needs qcow2"):
        lab.machines.snapshot_memory(100, "state", lab.log.append)


def test_screenshot(lab: Lab) -> None:
    lab.start()
    lab.machines.screenshot(100, lab.folder / "screen.png")
    assert (lab.folder / "screen.png").read_bytes().startswith(b"\x89PNG")


def test_link_down_from_the_start(lab: Lab) -> None:
    lab.start(net0="virtio=BC:24:11:00:00:01,link_down=1")
    assert "link status" not in lab.machines.hmp(100, "info network")  # it is up or down, and QEMU lives


def test_a_refused_start_leaves_nothing(lab: Lab) -> None:
    with pytest.raises(DoorError, match=r"start failed: qemu-system-x86_64 exited with code 1: .*nonsense"):
        lab.start(args="-device nonsense")
    assert lab.machines.running() == ()
    with pytest.raises(DoorError, match=r"volume 'local:100/gone.qcow2' does not exist"):
        lab.start(scsi1="local:100/gone.qcow2")


@pytest.mark.skipif(not OVMF.exists() or not shutil.which("swtpm"), reason="ovmf or swtpm is not installed")
def test_secure_boot_and_tpm(lab: Lab) -> None:
    lab.disks.efi_vars(lab.folder / "efi.qcow2", "qcow2", True)
    lab.disks.create(lab.folder / "tpm.raw", 4 * MIB, "raw")
    lab.volumes |= {"local:100/efi.qcow2": lab.folder / "efi.qcow2", "local:100/tpm.raw": lab.folder / "tpm.raw"}
    keys = {"bios": "ovmf", "machine": "q35", "memory": "256", "efidisk0": "local:100/efi.qcow2,efitype=4m",
            "tpmstate0": "local:100/tpm.raw,version=v2.0"}  # fmt: skip
    for _ in range(2):  # the second start finds a TPM that is no longer blank
        lab.start(**keys)
        assert "tpmdev" in lab.machines.hmp(100, "info tpm")
        lab.machines.stop(100, lab.log.append)
    assert not (lab.folder / "run/100/swtpm.json").exists()


def test_kvm_is_never_taken_on_trust() -> None:
    kvm.choose.cache_clear()
    chosen = kvm.choose()
    cpu = kvm.cpu_lacks(Path("/proc/cpuinfo").read_text())
    assert chosen.why
    if cpu:
        assert chosen == kvm.Accelerator("tcg", cpu)


def test_a_wrong_address_is_told(lab: Lab) -> None:
    vm = replace(lab.vm(), address="203.0.113.77")
    lab.machines.start(vm, lab.log.append)
    assert any("cannot be opened on 203.0.113.77" in line for line in lab.log)
