"""A host with an IOMMU that a kernel option switches off, and a home of pvekit's own on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.iommu import image, prepare
from tests.iommu.host import Host


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """Lend a host that is not switched on yet."""
    if lacks := image.lacking():
        pytest.skip(f"needs {lacks}")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    made = Host(tmp_path, prepare.switched_off())
    yield made
    made.close()
