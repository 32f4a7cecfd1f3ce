"""Chooses nodes and VMIDs. Pure.

A VM that exists stays where it is. A new one with ``node: auto`` goes to the online node that has its storages and,
after what was placed before, the most free memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PreflightRefused
from pvekit.model.facts import Facts
from pvekit.model.units import MIB


def place(vms: Iterable[DesiredVm], facts: Facts) -> tuple[DesiredVm, ...]:
    """Return the VMs with their nodes decided. Raises PreflightRefused where no node fits."""
    free = {n.name: n.memory - n.memory_used for n in facts.nodes.values() if n.online}
    placed: list[DesiredVm] = []
    refused: list[str] = []
    for vm in vms:
        own = facts.own.get(vm.name)
        if own is not None:
            placed.append(replace(vm, node=own.row.node))
            continue
        node, why = _node_for(vm, facts, free)
        if why:
            refused.append(why)
            continue
        free[node] -= vm.memory_mib * MIB
        placed.append(replace(vm, node=node))
    if refused:
        raise PreflightRefused(refused)
    return tuple(placed)


def storages_of(vm: DesiredVm) -> dict[str, str]:
    """Return the storages a new VM needs, with the content type each must allow."""
    needed = {disk.storage: "images" for disk in vm.disks}
    needed |= {value.partition(":")[0]: "images" for value in vm.create_only.values()}
    return needed


def _node_for(vm: DesiredVm, facts: Facts, free: dict[str, int]) -> tuple[str, str]:
    if vm.node != "auto":
        if vm.node in free:
            return vm.node, ""
        known = ", ".join(sorted(free)) or "none"
        state = "is offline" if vm.node in facts.nodes else "does not exist"
        return "", f"{vm.name}: node {vm.node} {state}. Nodes that are online: {known}"
    if not free:
        return "", f"{vm.name}: no node is online"
    fitting = [node for node in free if all(facts.storage(name, node) for name in storages_of(vm))]
    # With no fitting node the emptiest one is taken: preflight then says which storage is missing there.
    return max(fitting or free, key=lambda node: (free[node], node)), ""
