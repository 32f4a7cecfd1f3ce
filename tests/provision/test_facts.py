"""How the cluster is read: once for all, and once for each VM of the stack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pvekit.model.errors import Conflict, PermissionDenied
from pvekit.model.mark import Mark, Stage, write
from pvekit.model.missing import Missing
from pvekit.model.plan import Action, Plan, Verb
from pvekit.provision.facts import read_facts, read_host
from tests.provision.world import desired_of, stack_of

MARK = Mark("home", "web", "debian", Stage.BOOTED)


class Server:
    """Answers ``get`` as PVE does, and counts."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, path: str, /, **_params: Any) -> Any:
        self.asked.append(path)
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        return answer


def vm(vmid: int, tags: str = "", **more: Any) -> dict[str, Any]:
    return {"type": "qemu", "vmid": vmid, "node": "pve", "status": "running", "tags": tags, "maxmem": 1 << 30, **more}


def cluster(*rows: dict[str, Any], configs: Iterable[int] = ()) -> Server:
    pending = [
        {"key": "digest", "value": "d1"},
        {"key": "cores", "value": 2, "pending": 4},
        {"key": "net1", "value": "virtio=BC:24:11:00:00:01,bridge=vmbr0", "delete": 1},
        {"key": "description", "value": write("mine", MARK)},
    ]
    return Server(
        {"/cluster/resources": list(rows), **{f"/nodes/pve/qemu/{vmid}/pending": pending for vmid in configs}}
    )


def read(server: Server, *names: str) -> Any:
    return read_facts(server, "home", names)  # type: ignore[arg-type]


LOCAL = {"shared": 0, "content": "iso,import", "maxdisk": 100, "disk": 30}
OURS = "pvekit.home;pvekit.home.web;prod"


def test_one_read_and_one_for_each_vm_of_the_stack() -> None:
    server = cluster(
        vm(100, "prod", name="pihole"),
        vm(200, OURS, lock="backup", pool="p", maxcpu=2),
        vm(201, "pvekit.home;pvekit.home.old"),
        vm(202, "pvekit.other;pvekit.other.web"),
        vm(203, "pvekit.home.db"),
        {
            "type": "lxc",
            "vmid": 300,
            "tags": "pvekit.home;pvekit.home.db",
            "node": "pve",
            "status": "stopped",
            "maxmem": 1 << 29,
        },
        {"type": "node", "node": "pve", "status": "online", "maxcpu": 8, "maxmem": 4 << 30, "mem": 1 << 30},
        {"type": "node", "node": "gone", "status": "offline"},
        {"type": "storage", "storage": "local", "node": "pve", "status": "available", **LOCAL},
        configs=[200],
    )
    facts = read(server, "web", "db")
    assert sorted(server.asked) == ["/cluster/resources", "/nodes/pve/qemu/200/pending"]
    own = facts.own["web"]
    assert (own.row.vmid, own.row.lock, own.row.pool, own.row.threads, own.row.running) == (200, "backup", "p", 2, True)
    assert (own.digest, own.mark, own.pending, own.removed) == ("d1", MARK, {"cores": "4"}, {"net1"})
    assert own.config["cores"] == "2"
    assert own.wanted["cores"] == "4"
    assert "net1" not in own.wanted
    assert {name: row.vmid for name, row in facts.strays.items()} == {"old": 201}
    assert [row.vmid for row in facts.rows] == [100, 200, 201, 202, 203, 300]
    assert (facts.nodes["pve"].threads, facts.nodes["pve"].online, facts.nodes["gone"].online) == (8, True, False)
    storage = facts.storage("local", "pve")
    assert (storage.free, storage.active, storage.content) == (70, True, {"iso", "import"})
    assert facts.storage("local", "gone") is None


def test_an_empty_cluster_takes_one_read() -> None:
    server = cluster()
    assert read(server, "web").own == {}
    assert server.asked == ["/cluster/resources"]


def test_two_vms_with_the_same_tag() -> None:
    server = cluster(vm(200, OURS), vm(201, OURS))
    with pytest.raises(Conflict) as caught:
        read(server, "web")
    assert "VMID 200 and 201" in str(caught.value)
    assert "pvekit.home.web" in caught.value.hint
    assert server.asked == ["/cluster/resources"]


def test_two_strays_with_the_same_tag_are_a_conflict_too() -> None:
    with pytest.raises(Conflict):
        read(cluster(vm(200, OURS), vm(201, OURS)))


def host(server: Server, *verbs: Verb) -> Any:
    vms = desired_of(stack_of({"web": {"node": "pve"}, "db": {"node": "pve2"}}))
    plan = Plan("home", tuple(Action(f"web:{verb.value}", verb, "web") for verb in verbs))
    return read_host(server, plan, vms)  # type: ignore[arg-type]


ANSWERS: dict[str, Any] = {
    "/version": {"version": "9.2.11"},
    "/access/permissions": {"/vms": {"VM.Audit": 1, "VM.Allocate": 0}},
    "/nodes/pve/network": [{"iface": "vmbr0", "type": "bridge"}, {"iface": "vnet1", "type": "vnet"}],
}


def test_bridges_are_read_only_where_something_is_made_or_changed() -> None:
    server = Server(ANSWERS)
    found = host(server, Verb.CREATE)
    assert found.version == (9, 2, 11)
    assert found.permissions == {"/vms": {"VM.Audit": True, "VM.Allocate": False}}
    assert found.bridges == {"pve": {"vmbr0", "vnet1"}}
    server = Server(ANSWERS)
    assert host(server, Verb.START).bridges == {}
    assert server.asked == ["/version", "/access/permissions"]


def test_what_may_not_be_read_is_missing_with_its_reason() -> None:
    denied = PermissionDenied("Permission check failed", status=403)
    found = host(Server({**ANSWERS, "/access/permissions": denied, "/nodes/pve/network": denied}), Verb.CONFIGURE)
    assert isinstance(found.permissions, Missing)
    assert isinstance(found.bridges["pve"], Missing)
    assert "Permission check failed" in found.permissions.why
