"""Drive counters get PVE's names: one case per shape of QEMU's answer, in ``cases/blockstats.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.lab.qemu.blockstats import counted

CASES = yaml.safe_load((Path(__file__).parent / "cases/blockstats.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_counters(case: dict[str, Any]) -> None:
    rows = [
        {"device": device, "qdev": qdev, "stats": {"rd_bytes": read, "wr_bytes": written}}
        for device, qdev, read, written in case["rows"]
    ]
    found = counted(rows)
    assert {key: stats["rd_bytes"] for key, stats in found["blockstat"].items()} == case["reads"]
    assert [found["diskread"], found["diskwrite"]] == case["sums"]
