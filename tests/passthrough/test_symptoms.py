"""Every symptom against real text: which question it opens, with which causes, and what closes it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.model.bundle import Bundle
from pvekit.model.finding import Confidence, Finding, Overall, Verdict
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.judge import diagnose
from pvekit.passthrough.symptoms import SYMPTOMS, open_questions

FOLDER = Path(__file__).parent / "symptoms"
FILES = sorted(FOLDER.glob("*.yaml"))
KEYS = {"source", "files", "asked", "open", "none", "line", "verdict", "alternatives"}


def read(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS
    assert case["source"].strip()
    return case


def facts_of(case: dict[str, Any]) -> Facts:
    asked = case.get("asked", {})
    device = Bdf.parse(asked["device"]) if "device" in asked else None
    return Facts(Bundle("case", case["files"]), Asked(asked.get("vm"), device))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_symptom(path: Path) -> None:
    case = read(path)
    facts = facts_of(case)
    found = {question.text: question for question in open_questions(facts, [])}
    for text, first in case.get("open", {}).items():
        assert text in found, list(found)
        assert list(found[text].candidates[: len(first)]) == first
    for text in case.get("none", []):
        assert text not in found
    if "line" in case:
        assert case["line"] in {f"{question.line.file}:{question.line.number}" for question in found.values()}
    judged = diagnose(facts)
    if "verdict" in case:
        assert judged.verdict.name.lower() == case["verdict"], judged
    assert set(case.get("alternatives", [])) <= {cause.id for cause in judged.alternatives}
    if judged.verdict is Overall.HEALTHY:
        assert not case.get("open")


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_candidate_that_failed_closes_the_question_and_signs_alone_do_not(path: Path) -> None:
    facts = facts_of(read(path))
    for question in open_questions(facts, []):
        for candidate in question.candidates:
            failed = Finding(candidate, Verdict.FAIL, "it is this", confidence=Confidence.MEDIUM)
            signs = Finding(candidate, Verdict.FAIL, "it may be this", confidence=Confidence.LOW)
            other = Finding(candidate, Verdict.NOTE, "by the way")
            assert question not in open_questions(facts, [failed])
            assert question in open_questions(facts, [signs, other])


def test_every_symptom_is_seen_in_a_case() -> None:
    seen = {text for path in FILES for text in read(path).get("open", {})}
    assert {symptom.text for symptom in SYMPTOMS} <= seen


def test_the_table_is_well_made() -> None:
    assert len({symptom.text for symptom in SYMPTOMS}) == len(SYMPTOMS)
    for symptom in SYMPTOMS:
        assert symptom.logs
        assert symptom.candidates
        assert len(set(symptom.candidates)) == len(symptom.candidates), symptom.text
        assert all(re.fullmatch(r"[A-Z]{2,3}-\d\d", candidate) for candidate in symptom.candidates)
        assert not symptom.pattern.search("")
