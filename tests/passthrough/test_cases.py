"""Every check against real text: each case is a file that says what was seen and what has to be found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.model.bundle import Bundle
from pvekit.model.finding import Diagnosis, Verdict
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.checks import all_checks
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.judge import diagnose

CASES = Path(__file__).parent / "cases"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = sorted(CASES.glob("*/*.yaml"))
KEYS = {"source", "files", "base", "asked", "expect", "root", "verdict", "evidence", "alternatives"}


def texts(folder: Path) -> dict[str, str]:
    """Return every text file below a folder by its path inside it."""
    return {
        str(path.relative_to(folder)): path.read_text(errors="replace")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def judged(case: dict[str, Any]) -> Diagnosis:
    """Return what is said about a case."""
    files = dict(case.get("files", {}))
    if "base" in case:
        folder = SHARED / case["base"]
        if not folder.is_dir():
            pytest.skip("needs the recorded hosts, which are not here")
        files = texts(folder) | files
    asked = case.get("asked", {})
    device = Bdf.parse(asked["device"]) if "device" in asked else None
    return diagnose(Facts(Bundle("case", files), Asked(asked.get("vm"), device)))


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS
    assert case["source"].strip()
    found = judged(case)
    verdicts = {finding.id: finding.verdict.value for finding in found.findings}
    assert {check: verdicts.get(check, "none") for check in case["expect"]} == case["expect"]
    if "verdict" in case:
        assert found.verdict.name.lower() == case["verdict"], found
    if "root" in case:
        assert (found.root_cause.id if found.root_cause else None) == case["root"], found
    for known in case.get("alternatives", []):
        assert known in {cause.id for cause in found.alternatives}
    lines = {f"{line.file}:{line.number}" for finding in found.findings for line in finding.evidence}
    assert set(case.get("evidence", [])) <= lines


def test_every_check_has_its_page_and_its_cases() -> None:
    for check in all_checks():
        assert len(check.page) > 80, f"{check.id} has no page"
        assert check.sources, f"{check.id} names no source"
        cases = [yaml.safe_load(path.read_text()) for path in (CASES / check.id).glob("*.yaml")]
        found = [case["expect"].get(check.id) for case in cases]
        assert Verdict.FAIL.value in found or Verdict.NOTE.value in found, f"{check.id} has no failing case"
        assert {"pass", "none", "unknown"} & set(found), f"{check.id} has no passing case"
