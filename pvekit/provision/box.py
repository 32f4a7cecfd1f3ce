"""Reads about the nodes what the budget depends on, and only where it does: most plans ask for nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pvekit.adapters import pve as api
from pvekit.model.budget import DISK_SHARE, FULL, GuestSettings, NodeMore, overhead_mib
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import ApiError
from pvekit.model.facts import Facts, VmRow
from pvekit.model.plan import Plan, Verb
from pvekit.model.properties import HostPci, PropertyInvalid
from pvekit.model.stack.home import Tuning
from pvekit.model.units import MIB
from pvekit.provision.cpu import model_of
from pvekit.provision.facts import READERS
from pvekit.provision.tables import budgets, foreign, keys_of, pinned_by, setting

_PCI = "hostpci"


def read_box(pve: api.Pve, plan: Plan, vms: Iterable[DesiredVm], facts: Facts, tuning: Tuning) -> dict[str, NodeMore]:
    """Return what was read, by node, for the nodes on which the plan does something."""
    placed = list(vms)
    touched = {action.vm for action in plan.actions}
    found: dict[str, NodeMore] = {}
    for node in sorted({vm.node for vm in placed if vm.name in touched}):
        mine = [vm for vm in placed if vm.node == node]
        thick, thin = _pools(pve, node, mine, facts, tuning)
        displays, taken = _cards(pve, node, mine, plan, facts)
        windows = [vm for vm in mine if vm.name in touched and setting(vm, facts, "ostype").startswith("win")]
        hosts = [vm for vm in windows if setting(vm, facts, "cpu").startswith(("host", "cputype=host"))]
        found[node] = NodeMore(
            cpu=model_of(pve, node) if hosts else "",
            guests=_guests(pve, node, mine, facts, tuning),
            thick=thick,
            thin=thin,
            displays=displays,
            taken=taken,
        )
    return found


def _guests(
    pve: api.Pve, node: str, mine: list[DesiredVm], facts: Facts, tuning: Tuning
) -> Mapping[int, GuestSettings]:
    """Return what the node's other VMs need, unless all of them together would fit anyway."""
    rows = [row for row in foreign(node, mine, facts) if row.kind == "qemu" and row.lock != "create"]
    (budget,) = budgets(mine, facts, tuning)
    stopped = sum(row.memory // MIB + overhead_mib(row.memory // MIB, row.threads) for row in rows if not row.running)
    if budget.sum_mib + stopped <= FULL * budget.memory_mib:
        return {}
    with ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="read") as pool:
        answers = pool.map(lambda row: guest_settings(pve, row), rows)
    return {row.vmid: about for row, about in zip(rows, answers, strict=True) if about is not None}


def guest_settings(pve: api.Pve, row: VmRow) -> GuestSettings | None:
    """Return what the budget needs of somebody else's VM; None when it is gone or may not be read."""
    try:
        config = api.guest_config(pve, row.node, row.vmid)
    except ApiError:
        return None
    return GuestSettings(
        onboot=config.get("onboot") == "1", pinned=pinned_by(config), balloon_mib=int(config.get("balloon", "0"))
    )


def _pools(
    pve: api.Pve, node: str, mine: list[DesiredVm], facts: Facts, tuning: Tuning
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the ZFS storages that reserve a disk's whole size, and those that do not; asked where it matters."""
    thick: set[str] = set()
    thin: set[str] = set()
    (budget,) = budgets(mine, facts, tuning)
    for disk in budget.disks:
        if disk.thin is not None or disk.free is None or disk.needed <= DISK_SHARE * disk.free:
            continue
        storage = facts.storage(disk.storage, node)
        if storage is None or storage.plugin != "zfspool":
            continue
        try:
            config = api.storage_config(pve, disk.storage)
        except ApiError:
            continue
        (thin if config.get("sparse") == "1" else thick).add(disk.storage)
    return frozenset(thick), frozenset(thin)


def _cards(
    pve: api.Pve, node: str, mine: list[DesiredVm], plan: Plan, facts: Facts
) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """Return the node's graphics cards and what the VMs take of them, when the plan newly gives a device away."""
    changed = {change.target.rstrip("0123456789") for a in plan.actions for change in a.changes if change.after}
    if _PCI not in changed:
        return frozenset(), {}
    try:
        devices = api.pci_devices(pve, node)
        known = {row.id: row for row in api.pci_mappings(pve, node)}
    except ApiError:
        return frozenset(), {}
    # Mappings that the plan makes or changes are as they will be.
    planned = {
        action.id.removeprefix("mapping:"): [change.after or "" for change in action.changes if change.target == node]
        for action in plan.actions
        if action.verb is Verb.MAPPING
    }
    entries = {name: row.entries for name, row in known.items()} | {n: e for n, e in planned.items() if e}
    taken = {vm.name: frozenset(_addresses(keys_of(vm, facts), node, entries)) for vm in mine if vm.running}
    shown = frozenset(device.address for device in devices if device.display)
    return shown, {
        name: gone
        for name, gone in taken.items()
        if any(card.startswith(address) for card in shown for address in gone)
    }


def _addresses(config: Mapping[str, str], node: str, known: Mapping[str, Sequence[str]]) -> Iterable[str]:
    for key, value in config.items():
        if key.rstrip("0123456789") != _PCI:
            continue
        try:
            device = HostPci.parse(value)
        except PropertyInvalid:
            continue
        if device.host:
            yield from device.host.split(";")
        for entry in known.get(device.mapping or "", ()):
            parts = dict(part.partition("=")[::2] for part in entry.split(","))
            if parts.get("node") == node:
                yield from parts.get("path", "").split(";")
