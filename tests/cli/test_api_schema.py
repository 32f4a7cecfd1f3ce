"""Every request that a whole life of a stack sends is one that PVE's API schema allows."""

from __future__ import annotations

from typing import Any

import pytest

from pvekit.adapters.pve import client
from tests.conftest import Figure
from tests.helpers.cli_room import Place
from tests.helpers.schema import SentRequests

VMS = """\
  web:
    memory: 512MiB
    cores: CORES
    start: {auto: true, order: 1, up: 10s}
    disks: [{size: 1GiB, discard: true, ssd: true}, {size: DATA, serial: data, backup: false}]
    nics: [{vlan: 10, firewall: true}, {address: 10.1.2.3/24, gateway: 10.1.2.1}]
    tags: [TAG]
    description: "a <b>note</b>"
  safe:
    firmware: ovmf
    secure_boot: true
    tpm: true
    machine: q35
    protection: true
    state: STATE
"""


def vms(cores: str = "1", data: str = "1GiB", tag: str = "a", state: str = "running") -> str:
    return VMS.replace("CORES", cores).replace("DATA", data).replace("TAG", tag).replace("STATE", state)


def test_a_whole_life(place: Place, monkeypatch: pytest.MonkeyPatch, figure: Figure) -> None:
    sent = SentRequests()
    plain = client.Pve.__init__

    def heard(self: client.Pve, *arguments: Any, **options: Any) -> None:
        plain(self, *arguments, **options)
        self._on_request = sent

    monkeypatch.setattr(client.Pve, "__init__", heard)
    stack = place.stack("wire", vms())
    place.run("plan", stack).ended(2)
    place.run("up", stack, "-y").ended(0)
    place.run("up", stack, "-y").ended(0)
    place.stack("wire", vms(cores="2", data="2GiB", tag="b", state="stopped"))
    place.run("up", stack, "-y", "--restart", "--provision").ended(0)
    place.run("status", stack).ended(0)
    place.run("inventory", stack).ended(0)
    place.run("restart", "-s", stack, "web").ended(0)
    place.run("snapshot", "-s", stack, "web", "one", "--ram").ended(0)
    place.run("rollback", "-s", stack, "web", "one", "-y").ended(0)
    place.run("logs", "-s", stack, "web", "--tasks").ended(0)
    place.run("screenshot", "-s", stack, "web").ended(0)
    place.run("down", stack, "--confirm", "wire", "--unprotect").ended(0)
    sent.check()
    kinds = {
        (method, "/".join("{}" if part.isdigit() else part for part in path.split("/"))) for method, path, _ in sent.all
    }
    figure(
        f"{len(sent.all)} requests of {len({(m, p.split(':')[0]) for m, p in kinds})} kinds, all valid under the schema"
    )
    assert sent.writes
