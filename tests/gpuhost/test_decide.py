"""What a look at a node means for a VM and its card: each case is an entry of decisions.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Diagnosis, Finding, Layer, Overall, Remedy, RootCause, Verdict
from pvekit.model.hostchange import ChangeSet, FileChange
from pvekit.model.hostlook import JournalState
from pvekit.model.pci import Bdf
from pvekit.provision.gpuhost import Note, Refused, Seen, Todo, Use, decide

CASES = yaml.safe_load((Path(__file__).parent / "decisions.yaml").read_text())
KINDS = {"note": Note, "refused": Refused, "todo": Todo}
KEYS = {
    *("name", "verdict", "missing", "cause", "remedy", "files", "left", "phase", "losses", "waits", "configure"),
    *("romfile", "grouped", "kind", "says", "check", "resume"),
}
KC_01 = {"id": "KC-01", "title": "intel_iommu=on is missing", "layer": "kernel option"}
DROP_IN = "/etc/default/grub.d/pvekit-passthrough.cfg"


def diagnosis(case: dict[str, Any]) -> Diagnosis:
    fine = tuple(Finding(f"OK-0{number}", Verdict.PASS, "in order") for number in (1, 2))
    verdict = Overall[case.get("verdict", "broken").upper()]
    missing = tuple(case.get("missing", ()))
    if verdict is not Overall.BROKEN:
        return Diagnosis(verdict, None, findings=fine, missing=missing)
    told = case.get("cause", KC_01)
    why = "the kernel does not use the IOMMU"
    cause = RootCause(told["id"], told["title"], Layer(told["layer"]), Confidence.HIGH, why)
    remedy = Remedy(case["remedy"]) if "remedy" in case else None
    finding = Finding(cause.id, Verdict.FAIL, why, (Line("cmdline.txt", 1, "ro quiet"),), remedy)
    return Diagnosis(verdict, cause, findings=(*fine, finding), missing=missing)


def seen(case: dict[str, Any]) -> Seen:
    use = Use(
        *("pve", "win-play", "p106", Bdf.parse("03:00.0")),
        romfile=case.get("romfile", False),
        grouped=case.get("grouped", True),
    )
    files = [] if case.get("verdict") == "healthy" else case.get("files", [DROP_IN])
    changes = tuple(FileChange(path, None, "new\n", "a reason") for path in files)
    journal = None
    if "phase" in case:
        phase = case["phase"]
        journal = JournalState("0001-ab12cd34", phase, phase not in ("applied", "rolled-back"))
    made = ChangeSet("ab12cd34", "0002-ab12cd34", changes, left=tuple(case.get("left", ())))
    return Seen(use, diagnosis(case), made, journal, tuple(case.get("losses", ())), case.get("waits", False))


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_decision(case: dict[str, Any]) -> None:
    assert set(case) <= KEYS
    said = decide(seen(case), configure=case.get("configure", False), file="home.yaml")
    assert isinstance(said, KINDS[case["kind"]]), said
    text = said.why if isinstance(said, Todo) else said.text
    for words in case.get("says", ()):
        assert words in text
    if isinstance(said, Refused):
        assert said.check == case.get("check", said.check)
        assert "\n  next: " in said.text
    if isinstance(said, Todo):
        assert said.resume == case.get("resume", "")
        made = () if said.changes is None else said.changes.files
        assert [change.path for change in made] == ([] if said.resume else case.get("files", [DROP_IN]))


def test_every_kind_of_verdict_and_phase_has_a_case() -> None:
    assert {case.get("verdict", "broken") for case in CASES} == {each.name.lower() for each in Overall}
    assert {case["phase"] for case in CASES if "phase" in case} == {
        *("applying", "confirming", "trial", "rolling-back", "applied"),
    }
