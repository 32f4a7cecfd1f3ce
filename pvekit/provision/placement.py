"""Chooses nodes and VMIDs. Pure.

A VM that exists stays where it is. A new one with ``node: auto`` goes to the online node that has its storages and
enough threads and, after what was placed before, the most free memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PreflightRefused
from pvekit.model.facts import Facts, NodeFacts, VmRow
from pvekit.model.units import MIB
from pvekit.provision.privileges import storage_in


def place(vms: Iterable[DesiredVm], facts: Facts) -> tuple[DesiredVm, ...]:
    """Return the VMs with their nodes decided. Raises PreflightRefused where no node fits."""
    free = {n.name: n.memory - n.memory_used for n in facts.nodes.values() if n.online}
    placed: list[DesiredVm] = []
    refused: list[str] = []
    for vm in vms:
        own = facts.own.get(vm.name)
        if own is not None:
            placed.append(replace(vm, node=own.row.node, notes=(*vm.notes, *_stays(vm, own.row))))
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


def _stays(vm: DesiredVm, row: VmRow) -> list[str]:
    """Return what differs in where and what the VM is: VMs are not moved."""
    found = []
    if vm.node not in ("auto", row.node):
        found.append(f"{vm.name}: is on node {row.node}, not on {vm.node}; VMs are not moved")
    if vm.vmid not in (None, row.vmid):
        found.append(f"{vm.name}: has VMID {row.vmid}, not {vm.vmid}; it is decided when the VM is created")
    if vm.pool and row.pool not in ("", vm.pool):
        found.append(f"{vm.name}: is in pool {row.pool}, not in {vm.pool}; VMs are not moved")
    return found


def storages_of(vm: DesiredVm) -> set[tuple[str, str]]:
    """Return the storages a new VM needs, each with the content type that it must allow."""
    needed = {(disk.storage, "images") for disk in vm.disks}
    needed |= {(storage_in(value), "images") for value in vm.create_only.values()}
    if vm.first_boot:
        needed.add((vm.iso_storage, "iso"))
    if any(disk.image for disk in vm.disks):
        needed.add((vm.image_storage, "import"))
    return needed


def _fits(vm: DesiredVm, node: NodeFacts, facts: Facts) -> bool:
    """Return whether the node has what the VM needs. A node whose size the token may not see (0) is given a chance."""
    if 0 < node.threads < vm.threads:
        return False
    for name, content in storages_of(vm):
        found = facts.storage(name, node.name)
        if found is None or not found.active or content not in found.content:
            return False
    return True


def _node_for(vm: DesiredVm, facts: Facts, free: dict[str, int]) -> tuple[str, str]:
    if vm.node != "auto":
        if vm.node in free:
            return vm.node, ""
        known = ", ".join(sorted(free)) or "none"
        state = "is offline" if vm.node in facts.nodes else "does not exist"
        return "", f"{vm.name}: node {vm.node} {state}. Nodes that are online: {known}"
    if not free:
        return "", f"{vm.name}: no node is online"
    fitting = [name for name in free if _fits(vm, facts.nodes[name], facts)]
    # With no fitting node the emptiest one is taken: preflight then says what is missing there. Of equally empty ones
    # it is the first by name.
    return min(fitting or free, key=lambda name: (-free[name], name)), ""
