"""Refuses what cannot work before anything is touched. Pure.

PVE itself accepts unknown bridges, starts tasks for storages that are full and finds missing privileges one by one,
half-way through; so all of it is checked here, and all of it is told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PermissionsMissing, PreflightRefused
from pvekit.model.facts import Facts, HostFacts
from pvekit.model.missing import Missing
from pvekit.model.plan import Plan, Verb
from pvekit.model.units import MIB, format_size
from pvekit.provision.budget import judge
from pvekit.provision.placement import storages_of
from pvekit.provision.privileges import missing, needs, pveum_lines

OLDEST = (8, 4)
_LEAST_FREE = 256 * MIB


def check(plan: Plan, vms: Iterable[DesiredVm], facts: Facts, host: HostFacts, token_id: str) -> tuple[str, ...]:
    """Return notes for the reader. Raises PermissionsMissing or PreflightRefused with every reason."""
    by_name = {vm.name: vm for vm in vms}
    refused = _version(host.version)
    if not refused:
        # First of all: what the token may not see would look as if it were not there.
        _permissions(plan, by_name, host, token_id)
    creating = [by_name[a.vm] for a in plan.actions if a.verb is Verb.CREATE]
    for vm in creating:
        refused += _storages(vm, facts) + _vmid(vm, facts)
    for action in plan.actions:
        if action.verb in (Verb.CREATE, Verb.CONFIGURE):
            changed = {change.target: change.after for change in action.changes}
            refused += _bridges(by_name[action.vm], changed, host)
    bad, notes = judge(plan.costs, by_name.values(), facts)
    refused += bad
    if refused:
        raise PreflightRefused(list(dict.fromkeys(refused)))
    return tuple(notes)


def _version(version: tuple[int, ...]) -> list[str]:
    if version[:2] >= OLDEST:
        return []
    return [f"PVE {'.'.join(map(str, version))} is too old: pvekit works with 8.4 and later"]


def _storages(vm: DesiredVm, facts: Facts) -> list[str]:
    wanted = storages_of(vm)
    places = [*wanted.items()]
    if vm.seed is not None:
        places.append((vm.iso_storage, "iso"))
    if any(disk.image for disk in vm.disks):
        places.append((vm.image_storage, "import"))
    reasons = []
    for name, content in places:
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
        elif content == "images" and found.free < _LEAST_FREE:
            reasons.append(
                f"{vm.name}: storage {name} on {vm.node} is full ({format_size(found.free // 1024 * 1024)} free)"
            )
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


def _bridges(vm: DesiredVm, changed: Mapping[str, str | None], host: HostFacts) -> list[str]:
    known = host.bridges.get(vm.node)
    if known is None or isinstance(known, Missing):
        return []
    reasons = []
    for key, value in changed.items():
        if key.startswith("net") and key[3:].isdigit() and value:
            bridge = dict(part.partition("=")[::2] for part in value.split(",")).get("bridge", "")
            if bridge and bridge not in known:
                reasons.append(f"{vm.name}: {vm.node} has no bridge {bridge}.{_near(bridge, sorted(known))}")
    return reasons


def _permissions(plan: Plan, vms: Mapping[str, DesiredVm], host: HostFacts, token_id: str) -> None:
    if isinstance(host.permissions, Missing):
        return
    lacking = missing(needs(plan.actions, vms, host.version), host.permissions)
    if not lacking:
        return
    what = "\n".join(f"  {need.path}: {need.privilege} (to {need.purpose})" for need in lacking)
    lines = "\n".join(f"  {line}" for line in pveum_lines(lacking, token_id))
    raise PermissionsMissing(
        f"{token_id} lacks {len(lacking)} privilege{'s' if len(lacking) != 1 else ''} for this plan:\n{what}",
        hint=f"grant them on the node, as root:\n{lines}",
    )
