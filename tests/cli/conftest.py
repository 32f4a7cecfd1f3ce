"""One hollow node for all tests of the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.cli_room import Place, a_place
from tests.lab.running import RunningLab


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    lab = RunningLab(tmp_path_factory.mktemp("node"), cpus=64, memory=64 << 30)
    yield lab
    lab.close()


@pytest.fixture
def place(node: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with a_place(node, tmp_path, monkeypatch) as made:
        yield made
