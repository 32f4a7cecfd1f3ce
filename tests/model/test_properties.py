"""Property strings: what is read is what was written, and PVE's schema takes all of it."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model import properties
from pvekit.model.properties import Difference, PropertyInvalid, canonical, covers
from pvekit.model.properties.base import Property
from pvekit.model.properties.compare import codec
from tests.helpers.schema import violations
from tests.model.values import VALUES, WORD

CASES = yaml.safe_load((Path(__file__).parent / "cases" / "properties.yaml").read_text())
RECORDINGS = Path(__file__).parents[2] / ".." / "shared" / "pve" / "recordings.jsonl.gz"


@pytest.mark.parametrize("key", sorted(VALUES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_back(key: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[key])
    assert type(value).parse(str(value)) == value


@pytest.mark.parametrize("key", sorted(VALUES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_unknown_keys_are_kept(key: str, data: st.DataObject) -> None:
    value = data.draw(VALUES[key])
    if not isinstance(value, Property):
        return
    names = st.from_regex(r"zz-[a-z]{1,5}", fullmatch=True)
    extra = data.draw(st.dictionaries(names, WORD, max_size=3))
    value = dataclasses.replace(value, extra=tuple(sorted(extra.items())))
    assert type(value).parse(str(value)) == value


@pytest.mark.parametrize("key", sorted(VALUES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_pve_takes_it(key: str, data: st.DataObject) -> None:
    text = str(data.draw(VALUES[key]))
    if text:
        assert violations("PUT", "/nodes/pve/qemu/100/config", {key: text}) == {}, text


@pytest.mark.parametrize("key", sorted(VALUES))
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_everything_covers_itself(key: str, data: st.DataObject) -> None:
    text = str(data.draw(VALUES[key]))
    value = canonical(key, text)
    if isinstance(value, dict) and value.get("file", "x:vm")[-1].isdigit() and "vm-" not in value["file"]:
        return  # an order to allocate is no volume
    assert covers(key, text, text) == ()


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for key in ("net0", "scsi0", "hostpci0", "ipconfig0", "boot", "cpu", "agent", "smbios1", "machine", "tags"):
        try:
            canonical(key, text)
        except PropertyInvalid:
            continue


@pytest.mark.parametrize("case", CASES["canonical"], ids=lambda case: f"{case['key']}-{case['text']}"[:60])
def test_canonical(case: dict[str, Any]) -> None:
    assert canonical(case["key"], case["text"]) == case["is"]


@pytest.mark.parametrize("case", CASES["refused"], ids=lambda case: f"{case['key']}-{case['text']}"[:60])
def test_refused(case: dict[str, Any]) -> None:
    with pytest.raises(PropertyInvalid, match=case["why"]):
        canonical(case["key"], case["text"])


@pytest.mark.parametrize("case", CASES["covers"], ids=lambda case: f"{case['key']}-{case['want']}"[:60])
def test_covers(case: dict[str, Any]) -> None:
    wanted = [Difference(case["key"], *parts) for parts in case["differs"]]
    assert list(covers(case["key"], case["want"], case["have"])) == wanted


def test_a_comma_cannot_be_written() -> None:
    with pytest.raises(PropertyInvalid, match="PVE has no way to write it"):
        str(properties.Smbios1(serial="a,b"))
    assert str(properties.Smbios1(serial="a,b").encoded()) == "base64=1,serial=YSxi"


def test_one_file_per_property() -> None:
    folder = Path(properties.__file__).parent
    names = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "compare"}
    assert names == {module for module in names if hasattr(properties, module)}


@pytest.mark.skipif(not RECORDINGS.exists(), reason=f"no recordings of a real PVE at {RECORDINGS}")
def test_real_configurations_are_read_and_written_back() -> None:
    seen = 0
    with gzip.open(RECORDINGS, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            if row["method"] != "GET" or not row["path"].endswith("/config") or "/qemu/" not in row["path"]:
                continue
            for key, value in (row["response"].get("data") or {}).items():
                kind = codec(key)
                if kind:
                    assert kind.parse(str(kind.parse(str(value)))) == kind.parse(str(value))
                    assert covers(key, str(value), str(value)) == ()
                    seen += 1
    assert seen > 20
