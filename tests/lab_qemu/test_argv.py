"""Command lines from configurations: one case per kind of VM, in ``cases/argv.yaml``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.lab.doors import DoorError, Passed, VmStart
from pvekit.lab.qemu.argv import Surroundings, command, left_out
from pvekit.lab.qemu.firmware import Firmware
from pvekit.lab.qemu.guestnet import default
from pvekit.lab.qemu.kvm import Accelerator
from pvekit.lab.qemu.network import interfaces

CASES = yaml.safe_load((Path(__file__).parent / "cases/argv.yaml").read_text())
VOLUMES = ("local:100/vm-100-disk-0.qcow2", "local:100/vm-100-disk-1.raw", "local:iso/seed.iso", "local:iso/win.iso")


@pytest.fixture
def volumes(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / name.rpartition("/")[2] for name in VOLUMES}
    for path in found.values():
        path.touch()
    return found


def build(case: dict[str, Any], volumes: dict[str, Path]) -> list[str]:
    cards = {
        key: tuple(Passed("1234:11e8", "00ff00", name or "") for name in names)
        for key, names in case.get("cards", {}).items()
    }
    vm = VmStart(100, "test", case["config"], volumes, "127.77.0.100", cards)
    secure = Firmware(Path("/code.fd"), Path("/vars.fd"), "raw", secure=True)
    around = Surroundings(
        accelerator=Accelerator(case.get("accelerator", "tcg"), "test"),
        sockets=Path("/run/vm"),
        home=Path("/home/vm"),
        firmware=secure if case.get("firmware") else None,
        tpm=case.get("tpm", False),
        networks={card.key: default(card.number) for card in interfaces(case["config"])},
        forwards=[(outer, inner) for outer, inner in case.get("forwards", ())],
    )
    return command(vm, around)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_command(case: dict[str, Any], volumes: dict[str, Path]) -> None:
    if "error" in case:
        with pytest.raises(DoorError, match=case["error"]):
            build(case, volumes)
        return
    argv = build(case, volumes)
    for run in case["has"]:
        assert any(argv[at : at + len(run)] == run for at in range(len(argv))), f"{run} is not in {argv}"
    for text in case.get("lacks", ()):
        assert not [part for part in argv if text in part]


def test_node_of_a_disk(volumes: dict[str, Path]) -> None:
    config = {"scsi0": "local:100/vm-100-disk-0.qcow2,discard=on", "ide2": "local:iso/seed.iso,media=cdrom"}
    argv = build({"config": config}, volumes)
    nodes = {made["node-name"]: made for at, part in enumerate(argv) if part == "-blockdev"
             for made in [json.loads(argv[at + 1])]}  # fmt: skip
    disk, disc = nodes["drive-scsi0"], nodes["drive-ide2"]
    assert (disk["driver"], disk["discard"], disk["detect-zeroes"], disk["read-only"]) == (
        "qcow2",
        "unmap",
        "unmap",
        False,
    )
    assert disk["file"]["filename"] == str(volumes["local:100/vm-100-disk-0.qcow2"])
    assert disk["cache"] == {"direct": False, "no-flush": True}
    assert (disc["driver"], disc["read-only"]) == ("raw", True)


def test_a_cache_mode_is_honoured(volumes: dict[str, Path]) -> None:
    argv = build({"config": {"virtio0": "local:100/vm-100-disk-1.raw,cache=none"}}, volumes)
    made = json.loads(argv[argv.index("-blockdev") + 1])
    assert made["cache"] == {"direct": True, "no-flush": False}
    assert made["driver"] == "raw"


def test_what_the_node_does_without_is_named() -> None:
    config = {"hostpci0": "mapping=gpu", "usb1": "host=1-2", "audio0": "device=ich9-intel-hda", "cores": "2"}
    assert left_out(config) == ["hostpci0", "usb1", "audio0"]
    assert left_out(config, ["hostpci0"]) == ["usb1", "audio0"]
