"""Reads how the cluster is: 1 + N requests for N VMs of the stack, and waits for no guest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from pvekit.adapters import pve as api
from pvekit.model import mark
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import ApiError, Conflict
from pvekit.model.facts import Facts, HostFacts, NodeFacts, StorageFacts, VmFacts, VmRow
from pvekit.model.missing import Missing
from pvekit.model.plan import Plan, Verb

READERS = 8


def read_facts(pve: api.Pve, stack: str, names: Iterable[str]) -> Facts:
    """Return the facts. ``names`` are the VMs that the stack file has.

    Raises Conflict when two VMs carry the same VM tag: nobody can know which one is meant.
    """
    found = api.resources(pve)
    rows = tuple(_row(vm) for vm in found.vms)
    mine: dict[str, VmRow] = {}
    for row in (row for vm, row in zip(found.vms, rows, strict=True) if vm.kind == "qemu"):
        name = mark.vm_of(row.tags, stack)
        if name is None:
            continue
        if name in mine:
            raise Conflict(
                f"two VMs claim to be {name} of stack {stack}: VMID {mine[name].vmid} and {row.vmid}",
                status=0,
                hint=f"Remove the tag {mark.vm_tag(stack, name)} from the wrong one.",
            )
        mine[name] = row
    wanted = set(names)
    known = {name: row for name, row in mine.items() if name in wanted}
    return Facts(
        nodes={n.node: NodeFacts(n.node, n.online, n.maxcpu, n.maxmem, n.mem) for n in found.nodes},
        storages=tuple(_storage(s) for s in found.storages),
        rows=rows,
        own=_details(pve, known),
        strays={name: row for name, row in mine.items() if name not in wanted},
    )


def _storage(row: api.StorageRow) -> StorageFacts:
    return StorageFacts(
        name=row.storage,
        node=row.node,
        active=row.status == "available",
        shared=row.shared,
        content=frozenset(row.content),
        size=row.maxdisk,
        used=row.disk,
        plugin=row.plugintype,
    )


def _row(vm: api.VmRow) -> VmRow:
    return VmRow(
        vmid=vm.vmid,
        node=vm.node,
        name=vm.name,
        running=vm.status == "running",
        tags=frozenset(vm.tags),
        lock=vm.lock,
        memory=vm.maxmem,
        threads=vm.maxcpu,
        pool=vm.pool,
        kind=vm.kind,
        template=vm.template,
    )


def _details(pve: api.Pve, rows: Mapping[str, VmRow]) -> dict[str, VmFacts]:
    with ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="read") as pool:
        return dict(zip(rows, pool.map(lambda row: read_vm(pve, row), rows.values()), strict=True))


def read_vm(pve: api.Pve, row: VmRow) -> VmFacts:
    """Return one VM with its configuration: one request."""
    found = api.pending(pve, row.node, row.vmid)
    text = found.current.get("description", "")
    return VmFacts(row, found.current, found.pending, frozenset(found.delete), found.digest, mark.read(text))


def read_host(pve: api.Pve, plan: Plan, vms: Iterable[DesiredVm]) -> HostFacts:
    """Return what only a plan with changes has to know: version, own privileges, bridges of the nodes it touches."""
    touched = {action.vm for action in plan.actions if action.verb in (Verb.CREATE, Verb.CONFIGURE)}
    nodes = sorted({vm.node for vm in vms if vm.name in touched})
    return HostFacts(api.version(pve), _permissions(pve), {node: _bridges(pve, node) for node in nodes})


def _permissions(pve: api.Pve) -> Mapping[str, Mapping[str, bool]] | Missing:
    try:
        return api.permissions(pve)
    except ApiError as error:
        return Missing("/access/permissions", str(error))


def _bridges(pve: api.Pve, node: str) -> frozenset[str] | Missing:
    try:
        return frozenset(bridge.name for bridge in api.bridges(pve, node))
    except ApiError as error:
        return Missing(f"/nodes/{node}/network", str(error))
