"""A hollow node behind the API, and the same node's operating system behind SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.cli_room import Place, a_place
from tests.lab.running import RunningLab
from tests.rootstep.sshnode import SshNode, need_namespaces, start


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLab]:
    running = RunningLab(tmp_path_factory.mktemp("hollow"), cpus=28, memory=64 << 30)
    yield running
    running.close()


@pytest.fixture
def place(lab: RunningLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with a_place(lab, tmp_path, monkeypatch) as made:
        yield made


@pytest.fixture
def node(place: Place, tmp_path: Path) -> Iterator[SshNode]:
    need_namespaces()
    made = start(tmp_path / "node", {"url": place.url, "password": place.lab.secrets["password"]})
    yield made
    made.close()
