"""The judgement: every file in proofs/ changes a good host or guest in one place and says what has to be told."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model.bundle import Bundle, Line
from pvekit.model.finding import Diagnosis, Finding, Overall, Verdict
from pvekit.model.proof import GuestLook, Held, Proof, parse_probe, probe_of
from pvekit.model.proof_document import document, short
from pvekit.passthrough.proof import prove, whole
from pvekit.passthrough.proof_guest import compute_of, look_of, windows_look

PROOFS = Path(__file__).parent / "proofs"
FILES = sorted(path for path in PROOFS.glob("*.yaml") if path.stem != "base")
KEYS = {
    *("source", "set", "keep", "look", "starts", "failed", "silent", "windows"),
    *("verdict", "reasons", "never", "notes", "whole", "layers"),
}
CARD = "10de:1c07"


BASE = json.dumps(yaml.safe_load((PROOFS / "base.yaml").read_text()))


def base() -> dict[str, Any]:
    """Return the host and guest that are in order; anchors make no shared parts."""
    value: dict[str, Any] = json.loads(BASE)
    return value


def changed(case: dict[str, Any]) -> dict[str, Any]:
    value = base()
    for path, wanted in case.get("set", {}).items():
        *way, last = path.split(".", 1) if path.startswith("guest.") else path.split(".")
        part: Any = value
        for step in way:
            part = part[int(step) if isinstance(part, list) else step]
        part[int(last) if isinstance(part, list) else last] = copy.deepcopy(wanted)
    if "keep" in case:
        value["probe"]["cycles"] = value["probe"]["cycles"][: case["keep"]]
    return value


def diagnosis(value: dict[str, Any]) -> Diagnosis:
    findings = []
    for name, verdict, message, where in value["findings"]:
        file, number, text = where.split(":", 2)
        findings.append(Finding(name, Verdict(verdict), message, (Line(file, int(number), text),)))
    return Diagnosis(Overall.HEALTHY, None, findings=tuple(findings))


def looks(case: dict[str, Any], value: dict[str, Any]) -> Iterator[GuestLook]:
    for number in range(case.get("starts", 0) + 1):
        if why := case.get("failed", {}).get(number):
            yield GuestLook(number, failed=why)
        elif why := case.get("silent", {}).get(number):
            yield GuestLook(number, silent=why)
        elif case["look"] == "windows":
            yield windows_look(number, case["windows"])
        else:
            look = look_of(number, Bundle("gpu1", value["guest"]))
            found = [device for device in look.devices if device.id == CARD]
            yield replace(look, compute=compute_of(value["compute"], found)) if value["compute"] else look


def proof_of(case: dict[str, Any]) -> Proof:
    value = changed(case)
    seen = () if case["look"] == "none" else tuple(looks(case, value))
    guest = "" if case["look"] == "none" else "gpu1"
    return prove(diagnosis(value), probe_of(value["probe"]), card=CARD, guest=guest, looks=seen,
                 starts=case.get("starts", 0))  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_proof(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS
    assert case["source"].strip()
    found = proof_of(case)
    said = "\n".join(found.reasons)
    assert found.held.name.lower() == case["verdict"] == path.stem.split("-")[0], found.reasons
    assert bool(found.reasons) == bool(case["reasons"])
    assert [text for text in case["reasons"] if text not in said] == [], found.reasons
    assert [text for text in case.get("never", []) if text in said] == []
    if "notes" in case:
        assert len(found.notes) == len(case["notes"]), found.notes
        assert all(wanted in told for wanted, told in zip(case["notes"], found.notes, strict=True)), found.notes
    if "whole" in case:
        assert whole(found.probe) == case["whole"]
    if "layers" in case:
        assert (
            list(dict.fromkeys(item.layer.value for item in sorted(found.layers, key=lambda i: i.layer.rank)))
            == (case["layers"])
        )
    if case["verdict"] == "broken" and case["look"] == "none":
        assert not any(item.id == "use" for item in found.layers), "what failed proves nothing"
    kept = short(document(found))
    assert json.loads(json.dumps(kept)) == kept
    assert kept["verdict"] == case["verdict"]


def test_every_verdict_has_cases() -> None:
    stems = [path.stem.split("-")[0] for path in FILES]
    assert {held.name.lower() for held in Held} == set(stems)
    assert all(stems.count(verdict) >= 3 for verdict in set(stems))


def test_a_host_that_failed_is_not_proven_by_what_its_guest_shows() -> None:
    case = yaml.safe_load((PROOFS / "broken-second-cycle.yaml").read_text())
    assert proof_of({**case, "look": "guest"}).held is Held.BROKEN


def test_the_checks_cause_is_told_with_what_is_wrong_and_not_alone() -> None:
    value = base()
    look = replace(look_of(0, Bundle("gpu1", value["guest"])), cause="NV-04: nouveau has the card")
    good = prove(diagnosis(value), probe_of(value["probe"]), card=CARD, guest="gpu1", looks=[look])
    assert (good.held, good.reasons) == (Held.PROVEN, ())
    gone = prove(diagnosis(value), probe_of(value["probe"]), card="10de:1b81", guest="gpu1", looks=[look])
    assert gone.reasons[-1] == "gpu1: the checks name NV-04: nouveau has the card"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=8), part, max_size=3),
    max_leaves=8,
)
PATHS = st.lists(st.integers(0, 9), min_size=1, max_size=7)


@given(PATHS, JSON)
def test_an_answer_with_anything_anywhere_is_read_or_refused(way: list[int], wanted: Any) -> None:
    value = base()["probe"]
    part: Any = value
    for step in way:
        keys = list(part) if isinstance(part, dict) else list(range(len(part))) if isinstance(part, list) else []
        if not keys:
            break
        key = keys[step % len(keys)]
        if step == way[-1] or not isinstance(part[key], (dict, list)):
            part[key] = wanted
            break
        part = part[key]
    try:
        probe = probe_of(value)
    except ValueError:
        return
    assert prove(Diagnosis(Overall.HEALTHY, None), probe).held in Held


@given(st.text(max_size=200) | st.lists(st.sampled_from([
    "device 0000:01:00.0 0x10de 0x1c07 0x030200 nvidia", "bar 0x1 0x2 0x200", "bar 0x0 0x0 0x0", "bar x y z",
    "device 1", "bar", "device a b c d e", ""]), max_size=12).map("\n".join))  # fmt: skip
def test_any_text_of_a_guest_is_read(text: str) -> None:
    said = Bundle("g", {"guest/devices.txt": text, "guest/dmesg.txt": text, "guest/tools.txt": text})
    assert len(look_of(0, said).devices) <= text.count("device")
    windows_look(0, text)
    assert compute_of(text, ()).done in (None, False)


def test_an_answer_that_is_none_is_refused() -> None:
    for text in ("", "hello", '{"ok": false, "error": "only root can do this"}', '{"ok": true, "version": 7}', "{"):
        with pytest.raises(ValueError, match=r"."):
            parse_probe(text)
