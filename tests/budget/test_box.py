"""What is read about a node beyond the cluster's list: nothing where it does not matter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters import pve as api
from pvekit.model.budget import NodeMore
from pvekit.model.errors import PermissionDenied
from pvekit.model.plan import Action, Change, Verb
from pvekit.model.recording import Recording, Refusal
from pvekit.model.stack.home import Tuning
from pvekit.provision import cpu
from pvekit.provision.box import read_box
from pvekit.provision.diff import plan_for
from pvekit.provision.placement import place
from tests.provision.world import cases, desired_of, facts_of, stack_of

CASES = Path(__file__).parent / "cases" / "read"


def outcome(case: dict[str, Any]) -> dict[str, Any]:
    """Return what was read, by node, without what is empty. ``answers`` are the only ones that the node has."""
    stack = stack_of(case["vms"], case.get("defaults"), **case.get("stack", {}))
    facts = facts_of(case, stack)
    own = case.get("config", {})
    vms = tuple(replace(vm, config={**vm.config, **own.get(vm.name, {})}) for vm in place(desired_of(stack), facts))
    refused = {key: Refusal(403, "Permission check failed") for key in case.get("refused", ())}
    with api.Replay.of(Recording("home", "", case.get("answers", {}), refused), "case") as pve:
        vms, notes = cpu.choose(pve, vms, facts)
        plan = plan_for(stack.name, vms, facts)
        plan = replace(plan, actions=(*plan.actions, *_mappings(case.get("planned", {}))))
        found = read_box(pve, plan, vms, facts, Tuning())
    shown = {node: _shown(more) for node, more in found.items()}
    return {**shown, **({"notes": list(notes)} if notes else {})}


def _mappings(planned: dict[str, dict[str, str]]) -> list[Action]:
    return [
        Action(f"mapping:{name}", Verb.MAPPING, "", tuple(Change(node, None, entry) for node, entry in entries.items()))
        for name, entries in planned.items()
    ]


def _shown(more: NodeMore) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return sorted(value) if isinstance(value, Iterable) and not isinstance(value, str) else value

    found = {
        "cpu": more.cpu,
        "guests": {vmid: [about.onboot, about.pinned, about.balloon_mib] for vmid, about in more.guests.items()},
        "thick": plain(more.thick),
        "thin": plain(more.thin),
        "displays": plain(more.displays),
        "taken": {vm: plain(cards) for vm, cards in more.taken.items()},
    }
    return {key: value for key, value in found.items() if value}


@pytest.mark.parametrize("case", cases(CASES))
def test_cases(case: dict[str, Any]) -> None:
    assert outcome(case) == case["outcome"]


def test_the_processor_of_a_node_that_may_not_be_seen() -> None:
    refused = {"/nodes/pve/status": Refusal(403, "Permission check failed")}
    with api.Replay.of(Recording("home", "", {}, refused), "case") as pve:
        assert cpu.model_of(pve, "pve") == ""
        with pytest.raises(PermissionDenied):
            api.node_status(pve, "pve")


@pytest.mark.parametrize(
    ("memory", "available"),
    [
        ({"total": 100, "used": 40, "free": 5, "available": 55}, 55),
        ({"total": 100, "used": 40, "free": 5}, 60),
        ({}, 0),
    ],
)
def test_status_of_older_and_newer_nodes(memory: dict[str, int], available: int) -> None:
    answer = {"memory": memory, "cpuinfo": {"model": " X ", "cpus": 4}}
    with api.Replay.of(Recording("home", "", {"/nodes/pve/status": answer}), "case") as pve:
        found = api.node_status(pve, "pve")
    assert (found.available, found.cpu, found.threads, found.swap_free) == (available, "X", 4, 0)
