"""Property strings and the boot order."""

from __future__ import annotations

import pytest

from pvekit.lab.qemu.cpu import memory
from pvekit.lab.qemu.kvm import Accelerator, cpu_lacks, probe_firmware, threads, threads_of
from pvekit.lab.qemu.values import boot_order, enabled, numbered, options

DISKS = {
    "scsi0": "local:0",
    "scsi1": "local:1",
    "ide2": "local:c,media=cdrom",
    "net0": "virtio=AA",
    "net1": "virtio=BB",
}


@pytest.mark.parametrize(
    ("boot", "order"),
    [
        ({"boot": "order=ide2;scsi1;gone"}, ["ide2", "scsi1"]),
        ({}, ["scsi0", "ide2", "net0", "net1"]),
        ({"boot": "dc", "bootdisk": "scsi1"}, ["ide2", "scsi1"]),
        ({"boot": "legacy=n"}, ["net0", "net1"]),
        ({"boot": "order="}, []),
    ],
)
def test_boot_order(boot: dict[str, str], order: list[str]) -> None:
    assert boot_order({**DISKS, **boot}) == order


def test_options() -> None:
    assert options("local:x,media=cdrom,size=4M", "file") == {"file": "local:x", "media": "cdrom", "size": "4M"}
    assert options("", "file") == {}


@pytest.mark.parametrize(
    ("value", "on"), [("1", True), ("enabled=1,fstrim_cloned_disks=1", True), ("0", False), ("", False)]
)
def test_enabled(value: str, on: bool) -> None:
    assert enabled({"agent": value}, "agent") is on


def test_numbers_sort_as_numbers() -> None:
    assert [key for _, key, _ in numbered({"net10": "", "net9": "", "network": ""}, "net")] == ["net9", "net10"]


@pytest.mark.parametrize(("text", "mib"), [("2048", 2048), ("current=1024", 1024)])
def test_memory(text: str, mib: int) -> None:
    assert memory({"memory": text}) == mib


def test_kvm_needs_the_cpu_flag() -> None:
    assert cpu_lacks("flags\t\t: fpu vme svm nx\n") == ""
    assert cpu_lacks("flags : fpu vmx\n") == ""
    assert "neither" in cpu_lacks("flags : fpu hypervisor nested_svm_like\n")


def test_the_probe_sits_on_the_reset_vector() -> None:
    firmware = probe_firmware()
    assert len(firmware) == 65536
    assert firmware[-16:-11] == bytes([0xB0, 0x15, 0xE6, 0xF4, 0xF4])


def test_software_emulation_bounds_its_translation_cache() -> None:
    assert Accelerator("tcg", "").argv(64) == ["-accel", f"tcg,thread={threads()},tb-size=64"]


@pytest.mark.parametrize(
    ("version", "how"),
    [
        ("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022\n", "single"),
        ("QEMU emulator version 8.0.5\n", "single"),
        ("QEMU emulator version 8.1.0\n", "multi"),
        ("QEMU emulator version 10.0.3 (Debian 1:10.0.3+ds-0+deb13u1)\n", "multi"),
        ("", "single"),
    ],
)
def test_processors_share_a_thread_where_threads_are_not_safe(version: str, how: str) -> None:
    assert threads_of(version) == how
