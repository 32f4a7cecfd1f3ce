"""A hollow node behind the API, and the same node with a card behind SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pvekit.workflows import gpuhost
from tests.gpuhost.cardnode import CardNode
from tests.rootstep.sshnode import need_namespaces, start


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CardNode]:
    need_namespaces()
    ssh = start(tmp_path / "node", {})
    made = CardNode(ssh, tmp_path / "tree")
    monkeypatch.setattr(gpuhost, "TREE", str(made.tree))
    yield made
    ssh.close()
