"""What a token lacks for cards is said with the commands that grant it, and those commands suffice."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from tests.helpers.cli_room import Place

USER, TOKEN = "kit@pve", "kit@pve!ci"
BASE = (
    "VM.Allocate VM.Audit VM.PowerMgmt VM.Config.CDROM VM.Config.CPU VM.Config.Disk VM.Config.HWType VM.Config.Memory "
    "VM.Config.Network VM.Config.Options VM.GuestAgent.Audit VM.GuestAgent.FileRead Datastore.Allocate "
    "Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit SDN.Use"
)


@pytest.fixture
def kit(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A token that may do everything but with cards."""
    place.api.post("/access/users", userid=USER)
    secret = place.api.post(f"/access/users/{USER}/token/ci", privsep=0)["value"]
    place.api.post("/access/roles", roleid="Base", privs=BASE)
    for path in ("/vms", "/storage", "/sdn"):
        place.grant(path, "Base", users=USER)
    monkeypatch.setenv("PVEKIT_TOKEN", secret)
    yield place
    place.api.delete(f"/access/users/{USER}")
    for role in place.api.get("/access/roles"):
        if role["roleid"] == "Base" or role["roleid"].startswith("Kit-"):
            place.api.delete(f"/access/roles/{role['roleid']}")


def granted(place: Place, text: str) -> int:
    """Do what the pveum lines say, for the user; return how many there are."""
    lines = re.findall(r"pveum .*", text)
    for line in lines:
        words = shlex.split(line)
        if words[1:3] == ["role", "add"]:
            place.api.post("/access/roles", roleid=words[3], privs=words[5])
        elif "--users" in words:
            place.grant(words[3], words[words.index("--roles") + 1], users=USER)
    return len(lines)


def test_the_printed_commands_suffice(kit: Place) -> None:
    host = kit.host(token=f"{{id: '{TOKEN}', secret: 'env:PVEKIT_TOKEN'}}")
    vms = "  a: {node: pve, gpus: [p106]}\ngpus: {p106: {match: {id: '10de:1c07'}}}\n"
    stack = kit.stack("rights", vms, host=host)
    first = kit.run("up", stack, "-y").says("may not see the PCI devices of pve", "Sys.Audit")
    assert granted(kit, first.text) >= 2
    begun = kit.wrote()
    second = kit.run("up", stack, "-y").says("/mapping/pci: Mapping.Modify", "/mapping/pci: Mapping.Use")
    assert begun() == 0
    assert first.code == second.code
    assert granted(kit, second.text) >= 2
    kit.run("up", stack, "-y").ended(0)
    kit.run("plan", stack).ended(0)
    kit.run("down", stack, "--confirm", "rights").ended(0)
    assert kit.api.get("/cluster/mapping/pci") == []
