"""What is taken out of a recording, and that nothing else identifies a machine in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pvekit.model import mark
from pvekit.model.errors import PvekitError
from pvekit.model.recording import Recording, Refusal, from_json, question, to_json
from pvekit.model.redact import redact

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "redact.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["about"])
def test_cases(case: dict[str, Any]) -> None:
    assert redact({case["key"]: case["answer"]}, case.get("keep", "")) == {case["key"]: case["kept"]}


TEXTS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.uuids().map(str),
    st.binary(min_size=6, max_size=6).map(lambda raw: ":".join(f"{byte:02x}" for byte in raw)),
)


@given(TEXTS, st.sampled_from(["{}", "ip={}/24", "virtio={},bridge=vmbr0", "uuid={}", "<{}>"]))
def test_what_identifies_is_replaced_and_always_by_the_same(text: str, form: str) -> None:
    key = "/nodes/pve/qemu/1/pending"
    row = {"key": "net0", "value": form.format(text)}
    once = redact({key: [row]})
    value = once[key][0]["value"]
    # A stand-in may be drawn by chance; it identifies nobody.
    if not re.search(r"192\.0\.2\.|2001:db8::|^02:", text):
        assert text not in re.split(r"[=,/<>]", value)
    assert redact({key: [row]}) == once
    assert redact({key: [row]}, keep=f"x {text} y") == {key: [row]}


def test_a_mark_keeps_all_but_the_host_key() -> None:
    note = mark.Mark("home", "a", "debian", mark.Stage.READY, provision="p1", host_key="ssh-ed25519 AAAAkey", first="f")
    row = {"key": "description", "value": mark.write("at 10.0.0.7", note)}
    text = redact({"/nodes/pve/qemu/1/pending": [row]})["/nodes/pve/qemu/1/pending"][0]["value"]
    assert mark.read(text) == note.with_stage(note.stage, host_key="")
    assert "10.0.0.7" not in text
    assert "AAAAkey" not in text


def test_the_file_comes_back_as_it_was() -> None:
    found = Recording("home", "2026-11-25", {"/version": {"a": [1, "é"]}}, {"/x": Refusal(403, "no")}, "about")
    assert from_json(to_json(found), "f") == found


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("[]", "no recording"),
        ('{"pvekit": 1}', "no recording"),
        ('{"pvekit_recording": 2}', "version 2"),
        ('{"pvekit_recording": 1, "stack": "a", "taken": "", "answers": 3, "refused": {}}', "damaged"),
        ('{"pvekit_recording": 1, "stack": "a", "taken": "", "answers": {}, "refused": {"/x": {}}}', "damaged"),
        ('{"pvekit_recording": 1}', "damaged"),
    ],
)
def test_other_files_are_refused(text: str, says: str) -> None:
    with pytest.raises(PvekitError, match=says) as caught:
        from_json(text, "host.json")
    assert "host.json" in str(caught.value)
    assert "pvekit record" in caught.value.hint


@given(st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_any_json_is_read_or_refused(text: str, value: Any) -> None:
    for candidate in (text, json.dumps({"pvekit_recording": 1, "answers": value})):
        with pytest.raises(PvekitError):
            from_json(candidate, "f")


def test_questions() -> None:
    assert question("/version") == "/version"
    assert question("/a", {"b": 1, "a": None, "c": "x"}) == "/a?b=1&c=x"
