"""A hollow node of its own for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.cli_room import Place, stand_ins
from tests.lab.running import RunningLab


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    lab = RunningLab(tmp_path_factory.mktemp("node"), cpus=16, memory=32 << 30)
    yield lab
    lab.close()


@pytest.fixture
def place(node: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("PVEKIT_TOKEN", node.secrets["token_secret"])
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("PVEKIT_STACK", raising=False)
    monkeypatch.chdir(tmp_path)
    made = Place(node, tmp_path, [node.secrets["token_secret"], node.secrets["password"]])
    with stand_ins():
        yield made
    made.api.close()
