"""Baseline and drift: laws, cases, checks beside a baseline, and the command as a person uses it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.adapters.bundle import write_bundle
from pvekit.cli import passthrough_watch
from pvekit.cli.commands.passthrough import command
from pvekit.model.bundle import Bundle
from pvekit.model.errors import BundleInvalid
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.baseline import (
    FILE,
    BarPlace,
    Baseline,
    Given,
    Held,
    Known,
    Span,
    from_json,
    to_json,
)
from pvekit.passthrough.drift import Drift, Severity, drift, gaps
from pvekit.passthrough.drift.places import match
from pvekit.workflows import watch
from pvekit.workflows.collect import Host

DRIFTS = Path(__file__).parent / "drifts"
FILES = sorted(DRIFTS.glob("*.yaml"))
COMMON: dict[str, str] = yaml.safe_load((DRIFTS / "z440.yml").read_text())
KEYS = {"source", "files", "before", "now", "expect", "gaps", "evidence"}
SIDE = {"change", "edit", "add", "lines", "drop"}


def side(case: dict[str, Any], name: str) -> dict[str, str]:
    """Return the files of one side of a case: the common ones with what the case does to them."""
    told = case.get(name, {})
    assert set(told) <= SIDE
    files = {**COMMON, **case.get("files", {})}
    for file, pairs in told.get("change", {}).items():
        for old, new in pairs:
            assert old in files[file], old
            files[file] = files[file].replace(old, new)
    for file, pairs in told.get("edit", {}).items():
        for old, new in pairs:
            files[file] = re.sub(old, new, files[file])
    for file, text in told.get("add", {}).items():
        files[file] += text
    for file, pattern in told.get("lines", {}).items():
        files[file] = "".join(line for line in files[file].splitlines(True) if re.search(pattern, line))
    return {file: text for file, text in files.items() if file not in told.get("drop", [])}


def look(files: dict[str, str]) -> Baseline:
    return watch.present(Bundle("case", files))


def fits(found: Drift, wanted: dict[str, str]) -> bool:
    texts = {"what": found.what, "before": found.before, "now": found.now, "says": found.meaning}
    return (found.kind, found.severity.value) == (wanted["kind"], wanted["severity"]) and all(
        str(wanted[key]) in text for key, text in texts.items() if key in wanted
    )


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_case(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    assert set(case) <= KEYS
    assert case["source"].strip()
    before, now = look(side(case, "before")), look(side(case, "now"))
    found = drift(before, now)
    assert len(found) == len(case["expect"]), found
    for item, wanted in zip(found, case["expect"], strict=True):
        assert fits(item, wanted), (item, wanted)
        assert item.meaning
    assert [gap.area for gap in gaps(before, now)] == case.get("gaps", [])
    lines = {f"{line.file}:{line.number}" for item in found for line in item.evidence}
    assert set(case.get("evidence", [])) <= lines
    # Back again, the same things drifted: nothing that moved is gone or new.
    assert {item.kind for item in drift(now, before)} >= {item.kind for item in found if item.kind == "moved"}


# Laws

_TEXT = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
_MISSING = st.builds(Missing, _TEXT, _TEXT)
_BDF = st.builds(Bdf, st.just(0), st.integers(0, 6), st.integers(0, 3), st.integers(0, 2))
_SPAN = st.builds(
    Span, st.integers(0, 1 << 40), st.integers(1 << 40, 1 << 41), st.sampled_from(["", "direct", "0000:00"])
)
_IDS = st.sampled_from(["", "10de:1c07", "10de:10f1", "8086:15a0", "1002:67df"])
_BAR = st.builds(BarPlace, st.integers(0, 5), st.none() | st.integers(0, 1 << 40), st.none() | st.integers(1, 1 << 36))
_KNOWN = st.builds(
    Known, _BDF, _IDS, st.sampled_from(["", "103c:212b", "1462:11bf"]), st.sampled_from(["", "0300", "0200", "0604"]),
    _TEXT, st.sampled_from([None, True, False]), st.lists(_SPAN, max_size=2).map(tuple),
    st.lists(_BAR, max_size=2).map(tuple),
)  # fmt: skip


def maybe(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return value | _MISSING


def many(value: st.SearchStrategy[Any], most: int = 4) -> st.SearchStrategy[Any]:
    return maybe(st.lists(value, max_size=most).map(tuple))


@st.composite
def baselines(draw: st.DrawFn) -> Baseline:
    devices = draw(maybe(st.lists(_KNOWN, max_size=7, unique_by=lambda item: item.bdf).map(tuple)))
    groups = draw(maybe(st.lists(st.lists(_BDF, min_size=1, max_size=3, unique=True), max_size=4)))
    if not isinstance(groups, Missing):
        seen: set[Bdf] = set()
        parts = []
        for members in groups:
            parts.append(tuple(sorted(bdf for bdf in members if bdf not in seen)))
            seen |= set(members)
        groups = tuple(sorted(part for part in parts if part))
    held = st.builds(Held, _BDF, maybe(_TEXT), many(_TEXT, 2))
    target = maybe(st.lists(held, max_size=2, unique_by=lambda item: item.bdf).map(tuple))
    entry = st.builds(
        Given, st.none() | st.integers(100, 102), _TEXT, st.lists(_BDF.map(str), max_size=2).map(tuple), _TEXT
    )
    texts = ("bios_vendor", "bios_version", "bios_date", "microcode", "kernel", "pve", "tables")
    return Baseline(
        taken=draw(_TEXT), groups=groups, target=draw(target), devices=devices, whole=draw(st.booleans()),
        cmdline=draw(many(_TEXT)), iommu=draw(many(_TEXT)), rmrr=draw(many(_SPAN)), windows=draw(many(_SPAN)),
        reserved=draw(maybe(st.just(True))), given=draw(many(entry, 2)), **{name: draw(maybe(_TEXT)) for name in texts},
    )  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(baselines())
def test_written_down_and_read_again_it_is_the_same(found: Baseline) -> None:
    assert from_json(to_json(found)) == found


@settings(max_examples=100, deadline=None)
@given(baselines())
def test_nothing_drifted_from_itself(found: Baseline) -> None:
    assert drift(found, found) == ()
    assert gaps(found, found) == ()


@settings(max_examples=100, deadline=None)
@given(baselines(), baselines())
def test_any_two_can_be_compared_and_each_device_has_one_place(before: Baseline, now: Baseline) -> None:
    found = drift(before, now)
    assert [item.severity.rank for item in found] == sorted(item.severity.rank for item in found)
    places = match(before, now)
    old = () if isinstance(before.devices, Missing) else before.devices
    new = () if isinstance(now.devices, Missing) else now.devices
    assert len(set(places.same.values())) == len(places.same)
    assert {item.bdf for item in old} == places.same.keys() | {item.bdf for item in places.gone}
    assert {item.bdf for item in new} == set(places.same.values()) | {item.bdf for item in places.new}
    # A device of one identity is not gone on the one side while one is new on the other.
    gone = {(item.id, item.subsystem) for item in places.gone if item.id}
    assert not gone & {(item.id, item.subsystem) for item in places.new}


@settings(max_examples=100, deadline=None)
@given(baselines(), st.sampled_from([field for field in Baseline.__dataclass_fields__ if field not in (
    "taken", "whole", "lines", "devices", "target", "given", "groups", "reserved")]))  # fmt: skip
def test_what_could_not_be_looked_at_is_no_drift(found: Baseline, name: str) -> None:
    unknown = replace(found, **{name: Missing("a.txt", "needs root")})  # type: ignore[arg-type]
    assert drift(found, unknown) == ()
    assert drift(unknown, found) == ()
    assert len(gaps(found, unknown)) == (0 if isinstance(getattr(found, name), Missing) else 1) or name == "bios_vendor"


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=200)
    | baselines().map(to_json).flatmap(lambda text: st.integers(0, len(text)).map(lambda n: text[:n]))
)
def test_what_is_no_baseline_is_refused(text: str) -> None:
    try:
        from_json(text)
    except ValueError:
        return
    assert text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{}", '{"format": 2}', '{"format": 1, "kernel": 3}', '{"format": 1, "whole": 1}',
        '{"format": 1, "nobody": "x"}', '{"format": 1, "devices": [{"bdf": "x"}]}', '{"format": 1, "devices": "x"}',
        '{"format": 1, "kernel": {"missing": "x"}}', '{"format": 1, "groups": [["0000:00:00.9"]]}', "[" * 100_000,
        '{"format": 1, "kernel": "' + "x" * 3000 + '"}',
    ],
)  # fmt: skip
def test_foreign_files(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


# The command


class Hosts:
    """Answers what collect would: the files that are set."""

    def __init__(self) -> None:
        self.files = dict(COMMON)

    def __call__(self, host: Host) -> Bundle:
        return Bundle(host.name, dict(self.files))


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    found = Hosts()
    monkeypatch.setattr("pvekit.workflows.watch.collect", found)
    monkeypatch.setattr("pvekit.workflows.collect.collect", found)
    return found


def pvekit(*words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], standalone_mode=False)


HOST = "root@192.0.2.7"


def test_a_timer_sees_one_line_until_something_drifts(hosts: Hosts, tmp_path: Path) -> None:
    first = pvekit("watch", HOST)
    assert first.return_value == 0, first.exception
    assert "baseline kept in" in first.output
    assert "not known, so not watched: memory that the firmware reserves" in first.output
    (file,) = (tmp_path / "data").rglob(FILE)
    assert file.stat().st_mode & 0o077 == 0
    before = file.read_bytes()
    second = pvekit("watch", HOST)
    assert second.return_value == 0
    assert second.output.count("\n") == 1
    assert f"{HOST}: nothing drifted since 20" in second.output
    hosts.files["pci_sysfs.txt"] = hosts.files["pci_sysfs.txt"].replace("0000:03:00", "0000:04:00")
    third = pvekit("watch", HOST)
    assert third.return_value == passthrough_watch.DRIFTED == 2
    assert "breaks: device [10de:1c07]" in third.output
    assert "hostpci0 of VM 100 names the old address" in third.output
    assert "--accept" in third.output
    assert file.read_bytes() == before


def test_the_old_baseline_stays_when_the_new_one_is_accepted(hosts: Hosts, tmp_path: Path) -> None:
    pvekit("watch", HOST)
    (file,) = (tmp_path / "data").rglob(FILE)
    before = file.read_text()
    taken = from_json(before).taken
    hosts.files["uname.txt"] = hosts.files["uname.txt"].replace("6.8.12-4", "6.8.12-5")
    done = pvekit("watch", HOST, "--accept")
    assert done.return_value == 0
    assert "accepted: this is the baseline now" in done.output
    (old,) = file.parent.glob("baseline-*.json")
    assert old.read_text() == before
    assert taken.replace(":", "") in old.name
    assert pvekit("watch", HOST).return_value == 0
    again = pvekit("watch", HOST, "--accept")
    assert again.return_value == 0
    assert len(list(file.parent.iterdir())) == 2


def test_what_becomes_known_later_can_be_accepted(hosts: Hosts, tmp_path: Path) -> None:
    whole = hosts.files.pop("dmi.txt")
    pvekit("watch", HOST)
    hosts.files["dmi.txt"] = whole
    found = pvekit("watch", HOST)
    assert found.return_value == 0
    assert found.output.count("\n") == 1
    assert "not comparable: firmware version (then: not in the bundle)" in found.output
    assert "new baseline kept" in pvekit("watch", HOST, "--accept").output
    assert "not comparable" not in pvekit("watch", HOST).output


def test_a_damaged_baseline_is_said_and_kept(hosts: Hosts, tmp_path: Path) -> None:
    pvekit("watch", HOST)
    (file,) = (tmp_path / "data").rglob(FILE)
    file.write_text("{")
    done = pvekit("watch", HOST)
    assert isinstance(done.exception, BundleInvalid)
    assert "--accept" in done.exception.hint
    assert file.read_text() == "{"
    done = pvekit("watch", HOST, "--accept")
    assert done.return_value == 0
    assert "could not be read" in done.output
    assert [path.read_text() for path in file.parent.glob("baseline-damaged*")] == ["{"]
    assert pvekit("watch", HOST).return_value == 0


def test_as_json(hosts: Hosts) -> None:
    assert json.loads(pvekit("watch", HOST, "--json").output)["first"] is True
    hosts.files["cmdline.txt"] = "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro quiet\n"
    done = pvekit("watch", HOST, "--json")
    assert done.return_value == 2
    told = json.loads(done.output)
    assert told["drifted"] is True
    (item,) = told["drifts"]
    assert item["kind"] == "cmdline"
    assert item["severity"] == "look"
    assert item["evidence"] == [
        {"file": "cmdline.txt", "line": 1, "text": "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 ro quiet"}
    ]


def test_bundles_are_compared_offline(tmp_path: Path, hosts: Hosts) -> None:
    old, new, file = tmp_path / "old.tar.gz", tmp_path / "new.tar.gz", tmp_path / "b.json"
    write_bundle(old, COMMON)
    moved = {**COMMON, "pci_sysfs.txt": COMMON["pci_sysfs.txt"].replace("0000:03:00", "0000:04:00")}
    write_bundle(new, moved)
    file.write_text(to_json(look(COMMON)))
    for against in (old, file):
        assert pvekit("watch", new, "--against", against).return_value == 2
        assert pvekit("watch", old, "--against", against).return_value == 0
        assert pvekit("watch", HOST, "--against", against).return_value == 0
    assert not list((tmp_path / "data").rglob("*.json"))
    with pytest.raises(click.UsageError, match="--against"):
        raise pvekit("watch", new).exception or AssertionError
    with pytest.raises(click.UsageError, match="--accept"):
        raise pvekit("watch", HOST, "--accept", "--against", old).exception or AssertionError
    with pytest.raises(click.UsageError, match="no file or folder"):
        raise pvekit("watch", "typo.tar.gz", "--against", old).exception or AssertionError
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "note.txt").write_text("nothing\n")
    assert isinstance(pvekit("watch", new, "--against", empty).exception, BundleInvalid)


def test_diagnose_of_a_host_knows_its_baseline(hosts: Hosts) -> None:
    pvekit("watch", HOST)
    hosts.files["acpi_tables.txt"] = hosts.files["acpi_tables.txt"].replace("DMAR\n", "")
    hosts.files["sys_class_iommu.txt"] = ""
    hosts.files["pci_sysfs.txt"] = re.sub(r"group=\d+", "group=", hosts.files["pci_sysfs.txt"])
    told = json.loads(pvekit("diagnose", HOST, "--json").output)
    assert told["verdict"] == "broken"
    found = {finding["id"]: finding for finding in told["findings"]}
    assert found["FW-03"]["verdict"] == "fail"
    assert "with the same firmware" in found["FW-03"]["message"]
    assert FILE in {line["file"] for line in found["FW-03"]["evidence"]}
    assert told["unread"] == []


def test_severities_are_ordered() -> None:
    assert [item.rank for item in (Severity.BREAKS, Severity.LOOK, Severity.HARMLESS)] == [0, 1, 2]
