"""`pvekit record`, and plans out of a recording: the same as from the node, with no network and no secret."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters import pve as api
from pvekit.model.errors import PermissionDenied
from pvekit.model.recording import Recording, Refusal
from pvekit.workflows.planning import make_plan
from pvekit.workflows.session import open_session
from tests.helpers.cli_room import Place

MAC = re.compile(r"\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b")


def unplug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away the network and the token."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("PVEKIT_TOKEN")


def test_a_new_stack(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("fresh", "  one: {memory: 1GiB}\n  two: {memory: 2GiB, balloon: 1GiB}\n")
    online = place.run("plan", stack).ended(2)
    place.run("record", stack, "-o", "host.json").ended(0).says("answers", f"pvekit plan {stack} --recorded host.json")
    unplug(monkeypatch)
    assert place.run("plan", stack, "--recorded", "host.json").ended(0).out == online.out
    table = json.loads(place.run("plan", stack, "--recorded", "host.json", "--json").ended(0).out)["budgets"]
    assert [row["name"] for row in table[0]["rows"]][:3] == ["host", "one", "two"]
    assert table[0]["sum_mib"] == sum(row["memory_mib"] + row["overhead_mib"] for row in table[0]["rows"])


def test_a_stack_that_is_up(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("there", "  one: {memory: 1GiB, disks: [{size: 1GiB, serial: mine}]}\n", cores="2")
    place.run("up", stack, "-y").ended(0)
    place.run("record", stack, "-o", "host.json").ended(0)
    text = (place.folder / "host.json").read_text()
    for secret in (*place.secrets, "PVEAPIToken", "PVEAuthCookie", "ssh-ed25519 AAAA"):
        assert secret not in text
    own = set(MAC.findall(str(place.config(place.vms("there")["one"]["vmid"]))))
    assert {mac for mac in MAC.findall(text) if not mac.startswith("02:")} == own
    unplug(monkeypatch)
    place.run("plan", stack, "--recorded", "host.json").ended(0).says("no changes", "sum ", "one")
    stack.write_text(stack.read_text().replace("1GiB, disks", "2GiB, disks"))
    place.run("plan", stack, "--recorded", "host.json").ended(0).says("memory: 1024 -> 2048")


def test_what_is_not_in_it_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = place.stack("gap", "  one: {}\n")
    place.run("record", stack, "-o", "host.json").ended(0)
    document = json.loads((place.folder / "host.json").read_text())
    del document["answers"]["/nodes/pve/network?type=any_bridge"]
    (place.folder / "host.json").write_text(json.dumps(document))
    unplug(monkeypatch)
    result = place.run("plan", stack, "--recorded", "host.json").ended(1)
    result.says("host.json", "GET /nodes/pve/network?type=any_bridge", "pvekit record")


def test_no_file_and_no_recording(place: Place) -> None:
    stack = place.stack("none", "  one: {}\n")
    place.run("plan", stack, "--recorded", "host.json").ended(1).says("host.json", "No such file", "pvekit record")
    (place.folder / "host.json").write_text("{}")
    place.run("plan", stack, "--recorded", "host.json").ended(1).says("no recording of pvekit")
    (place.folder / "host.json").write_bytes(b"\xff\xfe")
    place.run("plan", stack, "--recorded", "host.json").ended(1).says("this is no text")
    place.run("plan", stack, "--recorded", "host.json", "--lab").ended(64).says("exclude each other")


def test_a_refused_plan_is_recorded_as_well(place: Place) -> None:
    stack = place.stack("large", "  one: {memory: 31GiB}\n")
    place.run("record", stack, "-o", "host.json").ended(0)
    place.run("plan", stack, "--recorded", "host.json").ended(8).says("no VM should get more than 24.0", "host  ")


def test_a_refusal_is_an_answer() -> None:
    found = Recording("s", "", {}, {"/nodes/pve/status": Refusal(403, "Permission check failed")})
    with api.Replay.of(found, "f") as pve, pytest.raises(PermissionDenied, match="Permission check failed"):
        api.node_status(pve, "pve")


def test_nothing_is_ever_written_to_a_recording() -> None:
    with api.Replay.of(Recording("s", "", {}), "f") as pve:
        with pytest.raises(api.NotRecorded, match="only be read"):
            pve.post("/nodes/pve/qemu")
        with pytest.raises(api.NotRecorded, match="no consoles"):
            pve.dial()
        assert pve.with_ticket() is pve


def test_nothing_more_is_read_where_nothing_is_to_be_done(place: Place) -> None:
    vms = "".join(f"  vm{number}: {{}}\n" for number in range(3))
    stack = place.stack("calm", vms)
    place.run("up", stack, "-y").ended(0)
    asked: list[str] = []
    with open_session(stack, on_request=lambda method, path, _: asked.append(f"{method} {path}")) as session:
        planned = make_plan(session)
    assert planned.plan.empty
    assert planned.plan.budgets[0].rows
    assert len(asked) == 1 + 3, asked


def test_the_folder_of_the_stack_is_not_needed(place: Place, tmp_path: Path) -> None:
    stack = place.stack("where", "  one: {}\n")
    place.run("record", stack, "-o", tmp_path / "deep" / "er" / "host.json").ended(0)
    place.run("plan", stack, "--recorded", tmp_path / "deep" / "er" / "host.json").ended(0)
