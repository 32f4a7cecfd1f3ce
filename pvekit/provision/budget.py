"""What the plan takes from each node, against what the node has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts, VmFacts
from pvekit.model.plan import Cost
from pvekit.model.properties import Disk, PropertyInvalid
from pvekit.model.units import MIB, format_size


def costs(vms: Iterable[DesiredVm], facts: Facts) -> tuple[Cost, ...]:
    """Return one row per node that carries VMs of the stack.

    Memory already promised is what the other running VMs may use at most, so that a stack is not called fitting
    only because its neighbours are idle.
    """
    by_node: dict[str, list[DesiredVm]] = {}
    for vm in vms:
        by_node.setdefault(vm.node, []).append(vm)
    return tuple(_cost(node, mine, facts) for node, mine in sorted(by_node.items()))


def _cost(node: str, mine: list[DesiredVm], facts: Facts) -> Cost:
    own = {facts.own[vm.name].row.vmid for vm in mine if vm.name in facts.own}
    others = [r for r in facts.rows if r.node == node and r.running and r.vmid not in own]
    disk: dict[str, int] = {}
    for vm in mine:
        for storage, more in growth(vm, facts.own.get(vm.name)):
            disk[storage] = disk.get(storage, 0) + more
    found = facts.nodes.get(node)
    free = {name: s.free for name in disk if (s := facts.storage(name, node)) is not None}
    return Cost(
        node=node,
        memory_mib=sum(vm.memory_mib for vm in mine if vm.running),
        memory_used_mib=sum(row.memory for row in others) // MIB,
        memory_total_mib=found.memory // MIB if found else 0,
        threads=sum(vm.threads for vm in mine if vm.running),
        threads_total=found.threads if found else 0,
        disk=disk,
        disk_free=free,
    )


def growth(vm: DesiredVm, own: VmFacts | None) -> list[tuple[str, int]]:
    """Return how much the VM's disks may grow by, as (storage, bytes): all of a new disk, the difference of another."""
    found = []
    for disk in vm.disks:
        now = own.wanted.get(disk.slot) if own is not None else None
        more = disk.size_bytes - _size(now)
        if more > 0:
            found.append((disk.storage, more))
    return found


def _size(value: str | None) -> int:
    """Return a disk's size in bytes, 0 when there is no disk."""
    if value is None:
        return 0
    try:
        return Disk.parse(value).size or 0
    except PropertyInvalid:
        return 0


def judge(rows: Iterable[Cost], vms: Iterable[DesiredVm], facts: Facts) -> tuple[list[str], list[str]]:
    """Return what cannot work and what is only unwise.

    A node whose size the token may not see (0) is not judged.
    """
    refused: list[str] = []
    notes: list[str] = []
    for vm in vms:
        node = facts.nodes.get(vm.node)
        if node is not None and 0 < node.threads < vm.threads:
            refused.append(
                f"{vm.name}: {vm.threads} virtual CPUs, but {node.name} has {node.threads} threads, and PVE does not "
                f"start a VM with more. Write cores: {node.threads} or less"
            )
    for row in rows:
        total = row.memory_mib + row.memory_used_mib
        numbers = f"{row.memory_mib} MiB of this stack + {row.memory_used_mib} MiB of other running VMs"
        if not row.memory_total_mib:
            notes.append(f"{row.node}: whether its memory suffices is not known; the token may not see it (Sys.Audit)")
        elif row.memory_mib > row.memory_total_mib:
            refused.append(
                f"{row.node}: the stack's running VMs need {row.memory_mib} MiB of memory, the node has "
                f"{row.memory_total_mib} MiB. Give the VMs less, or place some on another node"
            )
        elif total > row.memory_total_mib:
            notes.append(f"{row.node}: {numbers} are more than the node's {row.memory_total_mib} MiB")
        notes += _disk_notes(row.node, row.disk, row.disk_free)
    return refused, notes


def _disk_notes(node: str, disk: Mapping[str, int], free: Mapping[str, int]) -> list[str]:
    return [
        f"{node}: new disks on {name} may grow to {format_size(size)}, {format_size(free[name] // MIB * MIB)} are free"
        for name, size in sorted(disk.items())
        if name in free and size > free[name]
    ]
