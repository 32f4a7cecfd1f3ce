"""Whole disks of a node, looked at over SSH by the real script: what is on them decides, before anything is created."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pvekit import guests
from pvekit.model.desired import DesiredVm
from pvekit.model.stack import Stack, Vm
from pvekit.model.stack.home import PoolDisk
from tests.helpers.cli_room import Place
from tests.nas import disks
from tests.rootstep.sshnode import SshNode

CLAIMED = (PoolDisk("SN-Y", disks.SIZE, "ata-DISK_y"), PoolDisk("SN-Z", disks.SIZE, "ata-DISK_z"))
Row = dict[str, Any]


class Disks:
    """The node's disks: loop devices at its device names, listed by a stand-in for ``lsblk``; other tools are real."""

    def __init__(self, node: SshNode) -> None:
        self.node = node
        self.rows: dict[str, Row] = {}
        self.loops: list[str] = []
        for letter in ("y", "z"):
            name = f"sd{letter}"
            self.rows[letter] = {"name": name, "kname": name, "path": f"/dev/{name}", "type": "disk", "ro": False}
            self.rows[letter] |= {"size": disks.SIZE, "serial": f"SN-{letter.upper()}", "mountpoints": [None]}
            disks.blank(self.path(letter))

    def path(self, letter: str) -> Path:
        """Return the file behind a disk."""
        return self.node.folder / f"disk-{letter}"

    def used(self, **kinds: str) -> list[str]:
        """Plug both disks in, with what was on them before; return their hashes."""
        for letter, kind in kinds.items():
            disks.MAKERS[kind](self.path(letter))
        for letter in ("y", "z"):
            argv = ["losetup", "--find", "--show", str(self.path(letter))]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no loop device here: {done.stderr.strip()}")
            self.loops.append(done.stdout.strip())
            device = self.node.path(f"/dev/sd{letter}")
            device.unlink()
            os.mknod(device, 0o600 | stat.S_IFBLK, Path(self.loops[-1]).stat().st_rdev)
        self.listed()
        return self.sums()

    def listed(self) -> None:
        text = json.dumps({"blockdevices": list(self.rows.values())})
        self.node.put("/usr/sbin/lsblk", f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        self.node.path("/usr/sbin/lsblk").chmod(0o755)

    def sums(self) -> list[str]:
        return [hashlib.sha256(self.path(letter).read_bytes()).hexdigest() for letter in ("y", "z")]

    def close(self) -> None:
        for loop in self.loops:
            subprocess.run(["losetup", "--detach", loop], check=True)


@pytest.fixture
def two(node: SshNode, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disks]:
    kind = guests.desired

    def with_disks(stack: Stack, vm: Vm) -> DesiredVm:
        return replace(kind(stack, vm), raw_disks=CLAIMED)

    monkeypatch.setattr(guests, "desired", with_disks)
    made = Disks(node)
    yield made
    made.close()


@pytest.fixture
def stack(place: Place, node: SshNode) -> Path:
    return place.stack("disks", "  nas: {}\n", host=place.host(ssh=node.yaml()))


def test_empty_disks_may_be_given_away(place: Place, two: Disks, stack: Path) -> None:
    before = two.used()
    place.run("plan", stack).ended(2).says("scsi1: (not set) -> /dev/disk/by-id/ata-DISK_y")
    assert two.sums() == before


@pytest.mark.parametrize("kind", [kind for kind in disks.MAKERS if kind != "zfs"])
def test_a_used_disk_is_refused_and_untouched(place: Place, two: Disks, stack: Path, kind: str) -> None:
    before, begun = two.used(z=kind), place.wrote()
    place.run("up", stack, "-y").ended(8).says("sdz (serial SN-Z) is not empty", disks.SAID[kind])
    assert two.sums() == before
    assert begun() == 0
    assert two.node.calls("qm") == []


def test_a_disk_of_a_pool_may_be_given_away(place: Place, two: Disks, stack: Path) -> None:
    """Whether it is the right pool is decided in the VM, which is where it is used."""
    two.used(y="zfs")
    place.run("plan", stack).ended(2)


def _in_an_array(row: Row) -> None:
    row["children"] = [{**row, "name": "md0", "kname": "md0", "type": "raid1", "path": "/dev/null"}]


def _other_serial(row: Row) -> None:
    row["serial"] = "SN-OTHER"


def _other_size(row: Row) -> None:
    row["size"] = 2 * disks.SIZE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_in_an_array, "part of md0"),
        (_other_serial, "no disk has the serial SN-Y"),
        (_other_size, "the stack file says"),
    ],
)
def test_a_disk_that_is_in_use_or_another_is_refused(
    place: Place, two: Disks, stack: Path, change: Callable[[Row], None], words: str
) -> None:
    change(two.rows["y"])
    two.used()
    place.run("up", stack, "-y").ended(8).says(words)
    assert two.node.calls("qm") == []


def test_a_node_that_answers_something_else(place: Place, two: Disks, stack: Path) -> None:
    two.used()
    two.node.put("/usr/sbin/lsblk", "#!/bin/sh\necho no >&2; exit 32\n")
    place.run("up", stack, "-y").ended(8).says("the machine could not be looked at", "lsblk ended with status 32: no")
