"""Refuses what cannot work before anything is touched. Pure.

PVE itself accepts unknown bridges, starts tasks for storages that are full and finds missing privileges one by one,
half-way through; so all of it is checked here, and all of it is told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PermissionsMissing, PreflightRefused
from pvekit.model.facts import Facts, HostFacts
from pvekit.model.missing import Missing
from pvekit.model.plan import Action, Change, Plan, Verb
from pvekit.model.units import KIB, MIB, format_size
from pvekit.provision.budget import judge
from pvekit.provision.placement import storages_of
from pvekit.provision.privileges import missing, needs, pveum_lines, storage_in
from pvekit.provision.settings import network_of

OLDEST = (8, 4)
_LEAST_FREE = 256 * MIB
_REPLACES = "a role on a path replaces what is inherited there."


def check(
    plan: Plan, vms: Iterable[DesiredVm], facts: Facts, host: HostFacts, token_id: str, also: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return notes for the reader. Raises PermissionsMissing or PreflightRefused with every reason, ``also`` included.

    ``also`` is what others refuse.
    """
    by_name = {vm.name: vm for vm in vms}
    refused = _version(host.version)
    if not refused:
        # First of all: what the token may not see would look as if it were not there.
        _permissions(plan, by_name, facts, host, token_id)
    for action in plan.actions:
        if action.verb in (Verb.CREATE, Verb.CONFIGURE):
            refused += _action(action, by_name[action.vm], facts, host)
    refused += _same_macs(plan, by_name)
    bad, notes = judge(plan.costs, by_name.values(), facts)
    refused += [*bad, *also]
    if refused:
        raise PreflightRefused(list(dict.fromkeys(refused)))
    return tuple(notes)


def _version(version: tuple[int, ...]) -> list[str]:
    if version[:2] >= OLDEST:
        return []
    return [f"PVE {'.'.join(map(str, version))} is too old: pvekit works with 8.4 and later"]


def _action(action: Action, vm: DesiredVm, facts: Facts, host: HostFacts) -> list[str]:
    if action.verb is Verb.CREATE:
        found = _storages(vm, storages_of(vm), facts) + _vmid(vm, facts)
    else:
        found = _storages(vm, _new_storages(vm, action.changes), facts)
    return found + _bridges(vm, action.changes, host)


def _new_storages(vm: DesiredVm, changes: Iterable[Change]) -> set[tuple[str, str]]:
    """Return the storages on which changes of an existing VM make volumes."""
    disks = {disk.slot: disk.storage for disk in vm.disks}
    disks |= {key: storage_in(value) for key, value in vm.create_only.items()}
    return {(disks[c.target], "images") for c in changes if c.before is None and c.target in disks}


def _storages(vm: DesiredVm, wanted: Iterable[tuple[str, str]], facts: Facts) -> list[str]:
    reasons = []
    for name, content in sorted(wanted):
        found = facts.storage(name, vm.node)
        if found is None:
            known = sorted({s.name for s in facts.storages if s.node == vm.node})
            reasons.append(f"{vm.name}: {vm.node} has no storage {name}.{_near(name, known)}")
        elif not found.active:
            reasons.append(f"{vm.name}: storage {name} is not available on {vm.node}. Look at it with: pvesm status")
        elif content not in found.content:
            have = ",".join(sorted(found.content | {content}))
            reasons.append(
                f"{vm.name}: storage {name} does not allow {content} content. "
                f"Allow it with: pvesm set {name} --content {have}"
            )
        elif content != "iso" and found.free < _LEAST_FREE:
            free = format_size(found.free // KIB * KIB)
            reasons.append(f"{vm.name}: storage {name} on {vm.node} is full ({free} free)")
    return reasons


def _near(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    if close:
        return f" Did you mean {close[0]}?"
    return f" It has: {', '.join(known)}" if known else ""


def _vmid(vm: DesiredVm, facts: Facts) -> list[str]:
    taken = next((row for row in facts.rows if row.vmid == vm.vmid), None)
    # A row without tags that is locked for creation may be our own create call, still running.
    if taken is None or taken.lock == "create":
        return []
    who = f"{taken.name} on {taken.node}" if taken.name else f"another VM on {taken.node}"
    return [f"{vm.name}: VMID {vm.vmid} belongs to {who}. Choose another one, or leave vmid out"]


def _bridges(vm: DesiredVm, changes: Iterable[Change], host: HostFacts) -> list[str]:
    known = host.bridges.get(vm.node)
    if known is None or isinstance(known, Missing):
        return []
    reasons = []
    for change in changes:
        key = change.target
        if key.startswith("net") and key[3:].isdigit() and change.after:
            bridge = network_of(change.after).get("bridge", "")
            if bridge and bridge not in known:
                reasons.append(f"{vm.name}: {vm.node} has no bridge {bridge}.{_near(bridge, sorted(known))}")
    return reasons


def _same_macs(plan: Plan, vms: Mapping[str, DesiredVm]) -> list[str]:
    """Return which new VMs share a MAC address: those that pvekit derives have 24 bits, which may meet."""
    first: dict[str, str] = {}
    reasons = []
    new = {action.vm for action in plan.actions if action.verb is Verb.CREATE}
    for name, vm in sorted(vms.items(), key=lambda item: item[0] in new):
        for mac in vm.macs:
            if mac in first and name in new:
                reasons.append(f"{name}: the MAC address {mac} is {first[mac]}'s as well. Write mac: for one of them")
            first.setdefault(mac, name)
    return reasons


def _permissions(plan: Plan, vms: Mapping[str, DesiredVm], facts: Facts, host: HostFacts, token_id: str) -> None:
    if isinstance(host.permissions, Missing):
        return
    vmids = {name: own.row.vmid for name, own in facts.own.items()}
    lacking = missing(needs(plan.actions, vms, host.version, vmids), host.permissions)
    if not lacking:
        return
    purposes: dict[tuple[str, str], list[str]] = {}
    for need in lacking:
        purposes.setdefault((need.path, need.privilege), []).append(need.purpose)
    what = "\n".join(
        f"  {path}: {privilege} (to {'; '.join(dict.fromkeys(why))})" for (path, privilege), why in purposes.items()
    )
    lines = "\n".join(f"  {line}" for line in pveum_lines(lacking, token_id, host.permissions))
    user = token_id.partition("!")[0]
    warning = f"\nLeave out the lines with --users where {user} itself has these rights already: {_REPLACES}"
    raise PermissionsMissing(
        f"{token_id} lacks {len(purposes)} privilege{'s' if len(purposes) != 1 else ''} for this plan:\n{what}",
        hint=f"grant them on the node, as root:\n{lines}{warning if '--users' in lines else ''}",
    )
