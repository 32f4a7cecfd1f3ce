"""Recorded requests of a real server give the same answers here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Figure
from tests.lab.replay import RECORDINGS, replay


@pytest.mark.slow
@pytest.mark.skipif(not RECORDINGS.exists(), reason=f"the recordings are not at {RECORDINGS}")
def test_replayed_requests_match(tmp_path: Path, figure: Figure) -> None:
    summary = replay(tmp_path)
    for line in summary.lines():
        figure(line)
    assert summary.share("status_ok") >= 0.99
    assert summary.share("shape_ok") >= 0.99
    assert summary.share("reason_ok") >= 0.99
    assert summary.share("end_ok") >= 0.99
