"""Lines that other guides take for a proof: none of them makes a host healthy, and none hides the cause."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.model.bundle import Bundle
from pvekit.model.finding import Diagnosis, Overall
from pvekit.model.pci import Bdf
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.judge import diagnose
from tests.passthrough.test_cases import SHARED, texts

FILES = sorted((Path(__file__).parent / "false_proofs").glob("*.yaml"))
PROOFS = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
CASES = [(word, number) for word, proof in PROOFS.items() for number in range(len(proof["cases"]))]
KEYS = {"name", "source", "files", "base", "asked", "in", "verdict", "root", "not_root"}


def bundle(case: dict[str, Any]) -> Bundle:
    if "base" not in case:
        return Bundle("false proof", case["files"])
    folder = SHARED / case["base"]
    if not folder.is_dir():
        pytest.skip("needs the recorded hosts, which are not here")
    return Bundle("false proof", texts(folder))


def judged(case: dict[str, Any], files: Bundle) -> Diagnosis:
    asked = case.get("asked", {})
    device = Bdf.parse(asked["device"]) if "device" in asked else None
    return diagnose(Facts(files, Asked(asked.get("vm"), device)))


@pytest.mark.parametrize(("word", "number"), CASES, ids=[f"{word}-{number}" for word, number in CASES])
def test_the_line_is_printed_and_proves_nothing(word: str, number: int) -> None:
    proof = PROOFS[word]
    case = proof["cases"][number]
    assert set(case) <= KEYS
    assert case["source"].strip()
    files = bundle(case)
    place = case.get("in", proof.get("in", "dmesg.txt"))
    within = "\n".join(
        text for name, text in files.files.items() if place == "any" or name.startswith(place.removesuffix(".txt"))
    )
    assert re.search(proof["line"], within, re.MULTILINE), f"{proof['line']} is not in {place}"
    found = judged(case, files)
    assert found.verdict is not Overall.HEALTHY, found.findings
    assert found.verdict.name.lower() == case["verdict"], (found.root_cause, found.alternatives)
    if "root" in case:
        assert found.root_cause is not None, found.alternatives
        assert found.root_cause.id == case["root"]
    if case["verdict"] == "unknown":
        assert found.root_cause is None
    named = {found.root_cause.id} if found.root_cause else set()
    assert not named & set(case.get("not_root", ()))


@pytest.mark.parametrize("word", PROOFS)
def test_every_false_proof_says_what_it_is_taken_for_and_why_it_is_none(word: str) -> None:
    proof = PROOFS[word]
    assert set(proof) <= {"line", "in", "taken_for", "why", "cases"}
    assert proof["taken_for"].strip()
    assert proof["why"].strip()
    assert any("files" in case for case in proof["cases"]), "needs a case that runs without the recorded hosts"
