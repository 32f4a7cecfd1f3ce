"""Whether the PCI mappings that a plan names exist and fit the node's hardware.

PVE writes an unknown mapping into a VM's configuration without a word; only the start fails, after everything else
is done. So it is asked first, with PVE's own check against the hardware.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from pvekit.adapters import pve as api
from pvekit.model.desired import DesiredVm
from pvekit.model.plan import Plan, Verb
from pvekit.model.properties import HostPci, PropertyInvalid


def wanted(plan: Plan, vms: Iterable[DesiredVm]) -> dict[str, list[tuple[str, str, str]]]:
    """Return what the plan newly uses, by node: VM, key and name of the mapping."""
    nodes = {vm.name: vm.node for vm in vms}
    # Their entries are of the hardware as it was just read.
    made = {action.id.removeprefix("mapping:") for action in plan.actions if action.verb is Verb.MAPPING}
    found: dict[str, list[tuple[str, str, str]]] = {}
    for action in plan.actions:
        for change in action.changes if action.verb in (Verb.CREATE, Verb.CONFIGURE) else ():
            name = _mapping(change.target, change.after)
            if name and name not in made:
                found.setdefault(nodes[action.vm], []).append((action.vm, change.target, name))
    return found


def _mapping(key: str, value: str | None) -> str:
    if value is None or key.rstrip("0123456789") != "hostpci":
        return ""
    try:
        return HostPci.parse(value).mapping or ""
    except PropertyInvalid:
        return ""


def check(pve: api.Pve, plan: Plan, vms: Iterable[DesiredVm]) -> tuple[str, ...]:
    """Return every reason why a mapping cannot be used; one request per node that uses any, none otherwise."""
    return tuple(
        reason
        for node, uses in sorted(wanted(plan, vms).items())
        for reason in judge(node, uses, {row.id: row for row in api.pci_mappings(pve, node)})
    )


def judge(node: str, uses: Iterable[tuple[str, str, str]], known: Mapping[str, api.PciMapping]) -> tuple[str, ...]:
    """Return the reasons for one node. Pure."""
    reasons: list[str] = []
    for vm, key, name in uses:
        row = known.get(name)
        if row is None:
            reasons.append(f"{vm}: {key}: there is no PCI mapping {name}.{_near(name, known)}")
        elif not any(f"node={node}" in entry.split(",") for entry in row.entries):
            reasons.append(f"{vm}: {key}: the PCI mapping {name} has no device on {node}. Add one under Datacenter, "
                           "Resource Mappings")  # fmt: skip
        else:
            reasons += [f"{vm}: {key}: the PCI mapping {name} does not fit {node}: {text}" for text in row.problems]
    return tuple(dict.fromkeys(reasons))


def _near(name: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(name, known, 1)
    if close:
        return f" Did you mean {close[0]}?"
    if known:
        return f" There are: {', '.join(sorted(known))}"
    return " Make it under Datacenter, Resource Mappings; what the token may not see (Mapping.Audit) counts as missing"
