"""A cluster of two hollow nodes with graphics cards, test devices, and one that is in no IOMMU group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.cli_room import Place, a_place
from tests.lab.running import RunningLab


def row(address: str, ids: str, group: int, **more: str) -> dict[str, Any]:
    """Return a device as the API lists it."""
    vendor, device = ids.split(":")
    found = {"id": address, "class": "0x030000", "vendor": f"0x{vendor}", "device": f"0x{device}", **more}
    board = found.pop("board", "1043:85f4").split(":")
    found |= {"subsystem_vendor": f"0x{board[0]}", "subsystem_device": f"0x{board[1]}"}
    return {**found, "iommugroup": group}


DEVICES = [
    row("0000:01:00.0", "10de:1c07", 1, device_name="P106-100"),
    row("0000:01:00.1", "10de:10f1", 1, device_name="GP106 Audio", **{"class": "0x040300"}),
    row("0000:02:00.0", "10de:1b81", 2, board="10de:119e"),
    row("0000:03:00.0", "10de:1b81", 3, board="1462:3302"),
    row("0000:04:00.0", "8086:5916", 4),
    row("0000:04:01.0", "8086:1521", 4, device_name="I350", **{"class": "0x020000"}),
    row("0000:05:00.0", "1002:67df", -1),
    row("0000:06:00.0", "ffff:ffff", 6, node="pve2", **{"stand-in": "edu"}),
]


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    pci = tmp_path_factory.mktemp("pci") / "pci.json"
    pci.write_text(json.dumps(DEVICES))
    lab = RunningLab(tmp_path_factory.mktemp("cluster"), nodes=("pve", "pve2"), cpus=64, memory=64 << 30, pci=pci)
    yield lab
    lab.close()


@pytest.fixture
def place(nodes: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with a_place(nodes, tmp_path, monkeypatch) as made:
        yield made
    client = nodes.client()
    for vm in client.get("/cluster/resources", type="vm"):
        if vm["status"] == "running":
            nodes.wait(client.post(f"/nodes/{vm['node']}/qemu/{vm['vmid']}/status/stop"))
        nodes.wait(client.delete(f"/nodes/{vm['node']}/qemu/{vm['vmid']}"))
    for mapping in client.get("/cluster/mapping/pci"):
        client.delete(f"/cluster/mapping/pci/{mapping['id']}")
    client.close()
