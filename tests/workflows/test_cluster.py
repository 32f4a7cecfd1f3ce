"""Several nodes: VMs are spread, stay where they are, and every command finds them."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.helpers.cli_room import Place


def test_vms_are_spread_and_found_again(place: Place) -> None:
    stack = place.stack("spread", "".join(f"  vm{number}: {{}}\n" for number in range(4)), memory="1GiB")
    place.run("plan", stack).ended(2).says("  pve: 64.0 GiB", "  pve2: 64.0 GiB", "2 virtual CPUs")
    place.run("up", stack, "-y").ended(0)
    where = {name: row["node"] for name, row in place.vms("spread").items()}
    assert sorted(where.values()) == ["pve", "pve", "pve2", "pve2"]
    begun = place.wrote()
    place.run("up", stack, "-y").ended(0).says("no changes")
    assert begun() == 0
    states = json.loads(place.run("status", stack, "--json").ended(0).out)
    assert {state["vm"]: state["node"] for state in states} == where
    assert all(state["address"] for state in states)
    far = next(name for name, node in where.items() if node == "pve2")
    place.run("snapshot", "-s", stack, far, "s1").ended(0)
    place.run("restart", "-s", stack, far).ended(0)
    place.run("logs", "-s", stack, far, "--tasks").ended(0).says("UPID:pve2:")
    hosts = json.loads(place.run("inventory", stack).ended(0).out)["all"]["hosts"]
    assert sorted(hosts) == ["vm0", "vm1", "vm2", "vm3"]
    place.run("down", stack, "--confirm", "spread").ended(0).says("on pve2")
    assert (place.vms("spread"), place.seeds("spread")) == ({}, [])


def test_what_a_failed_run_left_is_removed_from_every_node(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.lab.lab.machines, "boot_seconds", 3600.0)
    vms = "  one: {node: pve, ready: {within: 1s}}\n  two: {node: pve2, ready: {within: 1s}}\n"
    stack = place.stack("left", vms)
    result = place.run("up", stack, "-y").ended(12)
    assert "ssh ops@" not in result.out, "neither has answered"
    assert place.seeds("left")
    place.run("down", stack, "--confirm", "left").ended(0)
    assert (place.vms("left"), place.seeds("left")) == ({}, [])


def test_a_node_can_be_chosen_and_a_vm_stays_where_it_is(place: Place) -> None:
    place.run("up", place.stack("chosen", "  one: {node: pve2}\n  two: {node: pve}\n"), "-y").ended(0)
    assert {name: row["node"] for name, row in place.vms("chosen").items()} == {"one": "pve2", "two": "pve"}
    stack = place.stack("chosen", "  one: {node: auto}\n  two: {node: auto}\n")
    place.run("plan", stack).ended(0)
    stack = place.stack("chosen", "  one: {node: pve3}\n  two: {node: pve}\n  three: {node: pve3}\n")
    place.run("plan", stack).ended(8).says("three: node pve3 does not exist", "pve, pve2")
    place.run("down", stack, "--confirm", "chosen").ended(0)


def test_a_vm_that_was_migrated_is_followed(place: Place) -> None:
    stack = place.stack("moved", "  one: {node: pve}\n")
    place.run("up", stack, "-y").ended(0)
    vms = place.lab.lab.vms
    vmid = place.vms("moved")["one"]["vmid"]
    with vms.locked(vmid):
        vms.save(dataclasses.replace(vms.get(vmid), node="pve2"))
    place.run("plan", stack).ended(0)
    place.run("status", stack).ended(0).says("pve2")
    place.run("down", stack, "--confirm", "moved").ended(0).says("on pve2")
    assert place.vms("moved") == {}


def test_vmids_are_one_space_for_all_nodes(place: Place) -> None:
    place.lab.wait(place.api.post("/nodes/pve2/qemu", vmid=888, name="far", memory=64))
    stack = place.stack("space", "  one: {vmid: 888, node: pve}\n")
    place.run("up", stack, "-y").ended(8).says("VMID 888 belongs to far on pve2")
    place.forget(888, "pve2")
