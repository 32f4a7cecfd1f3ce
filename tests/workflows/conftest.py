"""A cluster of two hollow nodes with a graphics card each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.cli_room import Place, a_place
from tests.lab.running import RunningLab

CARD = {
    "id": "0000:01:00.0",
    "class": "0x030000",
    "vendor": "0x10de",
    "device": "0x1b81",
    "iommugroup": 1,
    "subsystem_vendor": "0x10de",
    "subsystem_device": "0x119e",
}
MAPPED = "id=10de:1b81,iommugroup=1,node={node},path=0000:01:00.0,subsystem-id=10de:119e"


@pytest.fixture(scope="session")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    pci = tmp_path_factory.mktemp("pci") / "pci.json"
    pci.write_text(json.dumps([CARD]))
    lab = RunningLab(tmp_path_factory.mktemp("cluster"), nodes=("pve", "pve2"), cpus=64, memory=64 << 30, pci=pci)
    yield lab
    lab.close()


@pytest.fixture
def place(nodes: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with a_place(nodes, tmp_path, monkeypatch) as made:
        yield made
