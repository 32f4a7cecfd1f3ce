"""Plans of stacks with cards: mappings, what waits for what, proofs, notes and privileges."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pvekit.adapters.pve.facts import PciMapping
from pvekit.adapters.pve.node import PciDevice
from pvekit.model.pcimap import mapping_note
from pvekit.provision import gpumaps, mappings
from pvekit.provision.diff import plan_for
from pvekit.provision.gpus import resolve
from pvekit.provision.placement import place
from pvekit.provision.privileges import needs
from tests.provision.world import cases, desired_of, facts_of, shown, stack_of

PLANS = Path(__file__).parent / "plans"
_WANTED = ("Mapping.", "Sys.", "VM.GuestAgent", "VM.Monitor")


def devices(rows: dict[str, str]) -> tuple[PciDevice, ...]:
    """Return devices from ``address: class id subsystem group``."""
    found = []
    for address, text in rows.items():
        pci_class, ids, subsystem, group = text.split()
        found.append(PciDevice(address, pci_class, "", ids, subsystem, int(group)))
    return tuple(found)


def outcome(case: dict[str, Any]) -> str:
    """Return the plan as text, with the privileges that cards add."""
    stack = stack_of(case["vms"], case.get("defaults"), gpus=case.get("gpus", {}))
    before = stack_of(case.get("was", case["vms"]), case.get("defaults"), gpus=case.get("gpus", {}))
    facts = facts_of({key: value for key, value in case.items() if key != "was"}, before)
    for name, about in (case.get("is") or {}).items():
        own = facts.own[name]
        assert own.mark is not None
        marked = replace(own, mark=replace(own.mark, proof=about.get("proof", gpumaps.proof_of(stack, name))))
        facts = replace(facts, own={**facts.own, name: marked})
    vms = place(desired_of(stack), facts)
    restart = case.get("restart", False)
    plan = plan_for(stack.name, vms, facts, restart=restart)
    rows = {node: devices(found) for node, found in case["devices"].items()}
    used = gpumaps.uses(stack, vms)
    resolved = {
        name: resolve(stack.gpus[name], {vm.node: rows.get(vm.node, ()) for vm in holders})
        for name, holders in used.items()
    }
    note = mapping_note(stack.name, "x")
    known = {
        name: PciMapping(name, tuple(entries), "mine" if name == case.get("foreign") else note, mdev=False, problems=())
        for name, entries in case.get("mappings", {}).items()
    }
    refused = gpumaps.refusals(stack, vms, resolved, group=case.get("blind", True))
    actions, todo, more = gpumaps.mapping_actions(stack, vms, resolved, known, whole=case.get("whole", True))
    plan = replace(plan, actions=(*actions, *plan.actions))
    plan, notes = gpumaps.with_restarts(plan, stack, facts, todo, restart=restart)
    plan = replace(plan, actions=(*plan.actions, *gpumaps.proofs(plan, stack, vms, facts)), notes=(*plan.notes, *notes))
    plan = gpumaps.woven(plan, stack, vms, todo)
    version = tuple(case.get("version", (9, 2)))
    wanted = sorted(needs(plan.actions, {vm.name: vm for vm in vms}, version))
    lines = [f"needs {n.exact or n.path} {n.privilege}" for n in wanted if n.privilege.startswith(_WANTED)]
    asked = mappings.wanted(plan, vms)
    lines += [f"asks {node} for {name}" for node, each in asked.items() for _vm, _key, name in each]
    lines += [f"refused: {reason}" for reason in [*refused, *more]]
    return shown(plan) + "".join(f"{line}\n" for line in dict.fromkeys(lines))


@pytest.mark.parametrize("case", cases(PLANS))
def test_plans(case: dict[str, Any]) -> None:
    assert outcome(case) == case["outcome"]
