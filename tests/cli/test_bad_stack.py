"""Mistakes that are found before or while a plan is made: each has its exit code, its words, and no effect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helpers.cli_room import Place

CASES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "cases" / "refused.yaml").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"].replace(" ", "-"))
def test_refused(place: Place, case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither `plan` nor `up` goes on, and neither begins a task."""
    for name, text in case.get("environment", {}).items():
        monkeypatch.setenv(name, text)
    for name, entry in case.get("files", {}).items():
        file = place.folder / name
        file.write_text(entry["text"])
        file.chmod(int(str(entry.get("mode", "600")), 8))
    if "text" in case:
        stack = place.folder / "refused.yaml"
        stack.write_text(case["text"].replace("$HOST", place.host()))
    else:
        host = place.host(**{key: _filled(text, place) for key, text in case.get("host", {}).items()})
        vms = case.get("vms", "  one: {}\n")
        stack = place.stack("refused", vms, host=host, **case.get("defaults", {}))
    begun = place.wrote()
    for command, *more in (["plan"], ["up", "--yes"]):
        result = (
            place.run(command, stack, *more).ended(case["code"]).says(*(_filled(text, place) for text in case["says"]))
        )
        assert result.err, "an error belongs on standard error"
    assert begun() == 0
    assert place.vms("refused") == {}


def _filled(text: str, place: Place) -> str:
    return text.replace("$FINGERPRINT", place.fingerprint).replace("$URL", place.url).replace("$ID", place.token_id)


def test_many_mistakes_are_all_told(place: Place) -> None:
    stack = place.folder / "many.yaml"
    stack.write_text(
        "pvekit: 1\nname: many\n" + place.host() + "defaults: {memroy: 1GiB}\n"
        "images: {x: {path: no-such.qcow2}}\n"
        "vms:\n  one: {kind: debain, image: y}\n  two: {kind: debian, cores: 0, disks: [{size: 3 parsecs}]}\n"
    )
    result = place.run("validate", stack).ended(3)
    lines = [line for line in result.err.splitlines() if line.startswith(str(stack))]
    assert len(lines) >= 5
    assert all(line.split(":")[1].isdigit() and line.split(":")[2].isdigit() for line in lines)
    result.says("memroy", "Did you mean", "debain", "parsecs", "cores", f"{len(lines)} mistakes")


@pytest.mark.parametrize("command", [["plan"], ["up", "--yes"], ["status"], ["down", "--confirm", "x"], ["inventory"]])
def test_no_such_file(place: Place, command: list[str]) -> None:
    place.run(*command, "nowhere.yaml").ended(3).says("nowhere.yaml", "pvekit init")


def test_unknown_vm_of_only(place: Place) -> None:
    stack = place.stack("only", "  one: {}\n")
    place.run("plan", stack, "--only", "two").says("the stack has no VM two", "It has: one")
    place.run("down", stack, "--only", "two").says("no VM of stack only is called two")


def test_wrong_usage_is_64(place: Place) -> None:
    place.run("plan", "--no-such-option").ended(64).says("No such option")
    place.run("no-such-command").ended(64).says("No such command")
    place.run("plna").ended(64).says("plan")
