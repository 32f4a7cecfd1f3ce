"""Where root actions stand in a plan, which nodes are looked at, and VMs that moved. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.model.nodelook import NodeFile, NodeLook, sha256
from pvekit.model.plan import Plan, Verb
from pvekit.model.stack import Stack
from pvekit.provision.diff import plan_for
from pvekit.provision.rootstep.files import Found
from pvekit.provision.rootstep.plan import key_plan, node_plan, nodes_to_see, woven
from pvekit.provision.rootstep.todo import Put, Take
from tests.provision.world import desired_of, facts_of, stack_of

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
CASES = yaml.safe_load((Path(__file__).parent / "cases" / "nodes.yaml").read_text())
TWO: dict[str, Any] = {"pve": {}, "pve2": {}}


def _stack(vms: Mapping[str, Any], tuning: Mapping[str, Any] | None = None) -> Stack:
    reached = {name: {"address": "10.0.0.2", "host_key": _KEY} for name in TWO}
    host: dict[str, Any] = {
        "endpoint": "https://10.0.0.2:8006",
        "verify": "system",
        "token": {"id": "root@pam!kit", "secret": "env:T"},
    }
    return stack_of(vms, host={**host, "ssh": {"nodes": reached}, "tuning": dict(tuning or {})})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_nodes_that_are_looked_at(case: dict[str, Any]) -> None:
    stack = _stack(case["vms"], case.get("tuning"))
    facts = facts_of({"is": case.get("is", {}), "nodes": TWO}, stack)
    vms = [replace(vm, node=case.get("node", "pve")) for vm in desired_of(stack)]
    found, _ = key_plan(stack, vms, facts)
    assert sorted(nodes_to_see(stack, vms, found, only=case.get("only", ()))) == case["sees"]


def _planned(stack: Stack, looks: Mapping[str, NodeLook], node: str, **case: Any) -> tuple[Plan, Found]:
    facts = facts_of({"nodes": TWO, **case}, stack)
    vms = [replace(vm, node=node) for vm in desired_of(stack)]
    found, _ = key_plan(stack, vms, facts)
    node_plan(stack, vms, facts, looks, found)
    plan = plan_for(stack.name, vms, facts)
    return woven(plan, found, {vm.name: vm.node for vm in vms}), found


def test_root_actions_stand_between_creation_and_start() -> None:
    vms = {"desk": {"affinity": "0-3", "hugepages": 2, "start": {"schedule": {"start": "07:00"}}}, "plain": {}}
    plan, _ = _planned(_stack(vms, {"zfs_arc_max": "2GiB", "swappiness": 5}), {"pve": NodeLook("pve")}, "pve")
    by_id = {action.id: action for action in plan.actions}
    place = {name: at for at, name in enumerate(by_id)}
    for action in plan.actions:
        assert all(place[need] < place[action.id] for need in action.needs), action.id
    roots = [action for action in plan.of("desk") if action.verb is Verb.ROOT]
    assert [root.id.split(":", 3)[3] for root in roots] == ["affinity", "hugepages", "schedule: start"]
    assert all("desk:create" in root.needs for root in roots)
    assert {root.id for root in roots} <= set(by_id["desk:start"].needs)
    # Only what limits or reserves memory holds starts up.
    for vm in ("desk", "plain"):
        assert "root:pve::zfs_arc_max" in by_id[f"{vm}:start"].needs
        assert "root:pve::swappiness" not in by_id[f"{vm}:start"].needs
    assert not any(action.verb is Verb.ROOT for action in plan.of("plain"))


def test_a_vm_that_moved_takes_its_schedule_along() -> None:
    stack = _stack({"web": {"start": {"schedule": {"stop": "23:00"}}}})
    _, before = _planned(stack, {"pve": NodeLook("pve")}, "pve", **{"is": {"web": {"node": "pve"}}})
    (put,) = before.todo.values()
    assert isinstance(put, Put)
    files = {path: NodeFile(path, "644", text, sha256(text)) for path, text in put.texts.items()}
    looks = {"pve": NodeLook("pve", files=files), "pve2": NodeLook("pve2")}
    _, found = _planned(stack, looks, "pve2", **{"is": {"web": {"node": "pve2"}}})
    assert {type(do).__name__: (do.item.node if isinstance(do, Put) else do.node) for do in found.todo.values()} == {
        "Put": "pve2",
        "Take": "pve",
    }
    (take,) = (do for do in found.todo.values() if isinstance(do, Take))
    assert (take.vm, take.timers) == ("web", ("pvekit-home-web-stop.timer",))
