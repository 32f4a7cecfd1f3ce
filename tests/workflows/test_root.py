"""Settings that PVE takes from a login of root@pam only: told in the plan, refused before anything is done."""

from __future__ import annotations

import pytest

from tests.helpers.cli_room import Place

VMS = "  one: {pve: {args: '-nodefaults', affinity: '0-1'}}\n  two: {}\n"


def test_told_and_refused_with_a_token_alone(place: Place) -> None:
    stack = place.stack("root", VMS)
    place.run("plan", stack).ended(2).says("PVE refuses to an API token", "args", "affinity")
    begun = place.wrote()
    result = place.run("up", stack, "-y").ended(7)
    result.says("PVE refuses to every API token", "one: ", "args", "login: {user: root@pam")
    assert begun() == 0


def test_done_with_the_ticket_where_there_is_a_login(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PVEKIT_PW", place.lab.secrets["password"])
    stack = place.stack("login", VMS, host=place.host(login="{user: root@pam, password: 'env:PVEKIT_PW'}"))
    place.run("up", stack, "-y").ended(0)
    config = place.config(place.vms("login")["one"]["vmid"], place.vms("login")["one"]["node"])
    assert (config["args"], config["affinity"]) == ("-nodefaults", "0-1")
    # Without such steps the password is not even read.
    monkeypatch.delenv("PVEKIT_PW")
    place.run("plan", stack).ended(0)
    place.run("down", stack, "--confirm", "login").ended(0)
