"""The table of each node that carries VMs of the stack: what takes its memory, threads and disks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pvekit.model.budget import (
    Budget,
    BudgetRow,
    DiskSum,
    NodeMore,
    Part,
    arc_mib,
    host_mib,
    overhead_mib,
)
from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts, StorageFacts, VmRow
from pvekit.model.stack.home import Tuning
from pvekit.model.units import MIB
from pvekit.provision.budget import growth

_THIN = frozenset({"lvmthin", "rbd", "dir", "nfs", "cifs", "btrfs", "cephfs", "glusterfs"})
"""Types of storage on which a disk takes only what was written."""
_PAGE_MIB = 2


def budgets(
    vms: Iterable[DesiredVm], facts: Facts, tuning: Tuning, more: Mapping[str, NodeMore] | None = None
) -> tuple[Budget, ...]:
    """Return one table per node that carries these VMs. ``more`` is what was read about the nodes beyond the facts."""
    by_node: dict[str, list[DesiredVm]] = {}
    for vm in vms:
        by_node.setdefault(vm.node, []).append(vm)
    return tuple(_budget(node, mine, facts, tuning, (more or {}).get(node)) for node, mine in sorted(by_node.items()))


def _budget(node: str, mine: list[DesiredVm], facts: Facts, tuning: Tuning, more: NodeMore | None) -> Budget:
    found = facts.nodes.get(node)
    memory = found.memory // MIB if found else 0
    rows = [BudgetRow("host", Part.HOST, host_mib(memory), note="Proxmox VE and its services")]
    if zfs(node, facts):
        note = "host: tuning: zfs_arc_max" if tuning.zfs_arc_max_mib is not None else "as PVE's installer sets it"
        rows.append(BudgetRow("ZFS cache", Part.CACHE, arc_mib(memory, tuning.zfs_arc_max_mib), note=note))
    own = [_own(vm, facts) for vm in mine if vm.running]
    rows += [*_pages(own, mine, facts, tuning), *own, *others(node, mine, facts, more)]
    return Budget.of(
        node, rows, memory_mib=memory, threads=found.threads if found else 0, disks=_disks(node, mine, facts, more)
    )


def zfs(node: str, facts: Facts) -> bool:
    """Return whether a ZFS pool of the node itself is among its storages."""
    return any(s.node == node and s.plugin == "zfspool" and s.active for s in facts.storages)


def setting(vm: DesiredVm, facts: Facts, key: str) -> str:
    """Return a setting as it will be; empty when there is none."""
    return keys_of(vm, facts).get(key, "")


def pinned_by(config: Mapping[str, str]) -> str:
    """Return the key that pins a VM's memory; empty when none does."""
    return next(
        (key for key in sorted(config) if key == "hugepages" or key.rstrip("0123456789") == "hostpci"),
        "",
    )


def keys_of(vm: DesiredVm, facts: Facts) -> Mapping[str, str]:
    """Return all settings as they will be; what PVE has and the stack file does not name stays."""
    own = facts.own.get(vm.name)
    return {**(own.wanted if own is not None else {}), **vm.root_keys, **vm.config}


def _own(vm: DesiredVm, facts: Facts) -> BudgetRow:
    pinned = pinned_by(keys_of(vm, facts))
    balloon = int(setting(vm, facts, "balloon") or 0)
    onboot = setting(vm, facts, "onboot") == "1"
    return BudgetRow(
        name=vm.name,
        part=Part.VM,
        memory_mib=vm.memory_mib,
        overhead_mib=overhead_mib(vm.memory_mib, vm.threads),
        threads=vm.threads,
        least_mib=balloon if 0 < balloon < vm.memory_mib and not pinned else None,
        pinned=pinned,
        firm=onboot or bool(pinned),
        note="" if onboot else "does not start with the node",
    )


def _pages(own: list[BudgetRow], mine: list[DesiredVm], facts: Facts, tuning: Tuning) -> Iterator[BudgetRow]:
    """Yield the huge pages that are reserved beyond what the VMs take of them."""
    if not tuning.hugepages:
        return
    small = {vm.name for vm in mine if setting(vm, facts, "hugepages") in ("2", "any")}
    rest = tuning.hugepages * _PAGE_MIB - sum(row.memory_mib for row in own if row.name in small)
    if rest > 0:
        yield BudgetRow("huge pages", Part.PAGES, rest, note="reserved, used by no VM of the stack")


def foreign(node: str, mine: Iterable[DesiredVm], facts: Facts) -> list[VmRow]:
    """Return the other guests of a node: of other stacks, made by hand, or of this stack but not looked at now."""
    ids = {facts.own[vm.name].row.vmid for vm in mine if vm.name in facts.own}
    return [row for row in facts.rows if row.node == node and row.vmid not in ids and not row.template]


def others(node: str, mine: Iterable[DesiredVm], facts: Facts, more: NodeMore | None) -> Iterator[BudgetRow]:
    """Yield the node's other guests that run, or are known to start with the node."""
    known = more.guests if more is not None else {}
    for row in foreign(node, mine, facts):
        about = known.get(row.vmid)
        if not row.running and (about is None or not about.onboot):
            continue
        memory = row.memory // MIB
        balloon = about.balloon_mib if about is not None else 0
        pinned = about.pinned if about is not None else ""
        yield BudgetRow(
            name=f"{row.name or 'VM'} ({row.vmid})",
            part=Part.OTHER,
            memory_mib=memory,
            overhead_mib=overhead_mib(memory, row.threads) if row.kind == "qemu" else 0,
            threads=row.threads,
            least_mib=balloon if 0 < balloon < memory and not pinned else None,
            pinned=pinned,
            # Of a neighbour about which nothing more is known, nobody can say that it must run.
            firm=about is not None and (about.onboot or bool(pinned)),
            note="not of this plan",
        )


def _disks(node: str, mine: list[DesiredVm], facts: Facts, more: NodeMore | None) -> list[DiskSum]:
    needed: dict[str, int] = {}
    for vm in mine:
        for name, more_bytes in growth(vm, facts.own.get(vm.name)):
            needed[name] = needed.get(name, 0) + more_bytes
    found = []
    for name, size in sorted(needed.items()):
        storage = facts.storage(name, node)
        found.append(DiskSum(name, size, storage.free if storage else None, _thin(storage, more)))
    return found


def _thin(storage: StorageFacts | None, more: NodeMore | None) -> bool | None:
    if storage is None:
        return None
    if storage.plugin in _THIN or (more is not None and storage.name in more.thin):
        return True
    if storage.plugin == "lvm" or (more is not None and storage.name in more.thick):
        return False
    return None
