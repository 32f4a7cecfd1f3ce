"""Disks of the node given to a VM whole: attached by root, judged before, detached by down, never deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pvekit import guests
from pvekit.model.desired import DesiredVm
from pvekit.model.stack import Stack, Vm
from pvekit.model.stack.home import PoolDisk
from pvekit.workflows import rootstep
from tests.helpers.cli_room import Place
from tests.rootstep.sshnode import SshNode

DISKS = (PoolDisk("SN-Y", 1 << 40, "ata-DISK_y"), PoolDisk("SN-Z", 1 << 40, "ata-DISK_z"))


class Judge:
    """Stands where disks are inspected; the inspection has tests of its own."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.asked: list[tuple[str, list[str]]] = []

    def __call__(self, node: str, disks: Sequence[PoolDisk]) -> Sequence[str]:
        self.asked.append((node, [disk.serial for disk in disks]))
        return list(self.reasons)


@pytest.fixture
def judge(place: Place, node: SshNode, monkeypatch: pytest.MonkeyPatch) -> Judge:
    made = Judge()
    # The embedded node sees the devices of this machine, not those of the node behind SSH: files stand for them.
    storages, folder = place.lab.lab.storages, node.folder / "disks"
    folder.mkdir()
    known = storages.path_of

    def path_of(volume: str) -> Path:
        return folder / Path(volume).name if volume.startswith("/dev/") else known(volume)

    for disk in DISKS:
        (folder / str(disk.by_id)).write_bytes(b"data" * 1024)
    monkeypatch.setattr(storages, "path_of", path_of)
    monkeypatch.setattr(rootstep, "inspector", lambda _: made)
    kind = guests.desired

    def with_disks(stack: Stack, vm: Vm) -> DesiredVm:
        found = kind(stack, vm)
        return replace(found, raw_disks=DISKS) if vm.name == "nas" else found

    monkeypatch.setattr(guests, "desired", with_disks)
    return made


def test_attached_found_attached_and_detached(place: Place, node: SshNode, judge: Judge) -> None:
    stack = place.stack("disks", "  nas: {protection: true}\n", host=place.host(ssh=node.yaml()))
    place.run("plan", stack).ended(2).says(
        "scsi1: (not set) -> /dev/disk/by-id/ata-DISK_y,backup=0,replicate=0,serial=SN-Y"
    )
    assert judge.asked == [("pve", ["SN-Y", "SN-Z"])]
    place.run("up", stack, "-y").ended(0)
    # Once for the plan, and once more just before each disk.
    assert judge.asked[-3:] == [("pve", ["SN-Y", "SN-Z"]), ("pve", ["SN-Y"]), ("pve", ["SN-Z"])]
    vmid = place.vms("disks")["nas"]["vmid"]
    assert place.config(vmid)["scsi2"].startswith("/dev/disk/by-id/ata-DISK_z,")
    logins = node.logins()
    place.run("plan", stack).ended(0)
    assert node.logins() == logins, "attached disks need no look"

    place.run("down", stack, "--confirm", "disks").ended(9).says("protected")
    down = place.run("down", stack, "--confirm", "disks", "--unprotect").ended(0)
    down.says("stays: /dev/disk/by-id/ata-DISK_y (a device or file of the host: only detached)")
    assert place.vms("disks") == {}
    assert node.path("/dev/disk/by-id/ata-DISK_y").is_symlink()
    assert [(node.folder / "disks" / str(d.by_id)).read_bytes() for d in DISKS] == [b"data" * 1024] * 2


def test_refused_before_anything_is_created(place: Place, node: SshNode, judge: Judge) -> None:
    stack = place.stack("disks", "  nas: {}\n", host=place.host(ssh=node.yaml()))
    begun = place.wrote()
    judge.reasons = ["SN-Y: is mounted on /srv"]
    place.run("up", stack, "-y").ended(8).says("is mounted on /srv")
    judge.reasons = []
    node.put("/etc/pve/qemu-server/555.conf", "name: other\nscsi1: /dev/disk/by-id/ata-DISK_z,size=1T\n")
    place.run("up", stack, "-y").ended(8).says("SN-Z", "used by another VM or container already", "555.conf")
    node.path("/etc/pve/qemu-server/555.conf").unlink()
    node.path("/dev/disk/by-id/ata-DISK_z").unlink()
    place.run("up", stack, "-y").ended(8).says("there is no /dev/disk/by-id/ata-DISK_z")
    assert begun() == 0
    assert node.calls("qm") == []


def test_a_disk_that_is_taken_meanwhile_is_not_attached(
    place: Place, node: SshNode, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = place.stack("disks", "  nas: {}\n", host=place.host(ssh=node.yaml()))
    answers = iter([[], ["SN-Y: is part of the pool rpool"]])
    monkeypatch.setattr(rootstep, "inspector", lambda _: lambda _node, _disks: next(answers))
    place.run("up", stack, "-y").ended(8).says("is part of the pool rpool", "The disk was not attached.")
    assert node.calls("qm") == []
    monkeypatch.setattr(rootstep, "inspector", lambda _: judge)
    place.run("up", stack, "-y").ended(0)
    place.run("down", stack, "--confirm", "disks").ended(0)
