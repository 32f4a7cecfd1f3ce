"""A lab in the test's process, and a client that is root's token."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.running import Client, RunningLab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunningLab]:
    running = RunningLab(tmp_path / "state", cpus=4)
    yield running
    running.lab.tasks.wait(20)
    running.close()


@pytest.fixture
def api(lab: RunningLab) -> Iterator[Client]:
    client = lab.client()
    yield client
    client.close()
