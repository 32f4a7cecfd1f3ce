"""Stacks and clusters out of a case file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit import guests
from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts, HostFacts, NodeFacts, StorageFacts, VmFacts, VmRow
from pvekit.model.mark import Stage, stack_tag, vm_tag
from pvekit.model.missing import Missing
from pvekit.model.plan import Plan
from pvekit.model.stack import Stack, load
from pvekit.model.units import MIB, parse_size
from tests.provision.simulated import changed, stored

FRAME: dict[str, Any] = {
    "pvekit": 1,
    "name": "home",
    "host": "lab",
    "defaults": {"kind": "debian", "image": "debian", "disks": [{"size": "10GiB"}]},
    "images": {
        "debian": {"build": "debian-13"},
        "cloud": {"url": "https://cloud.example/noble.img", "sha256": "ab" * 32},
        "windows": {"path": "./win11.iso", "sha256": "cd" * 32},
    },
}
NODES: dict[str, Any] = {"pve": {}}
STORAGES: dict[str, Any] = {
    "local": {"content": ["iso", "import", "vztmpl"], "free": "100GiB"},
    "local-lvm": {"content": ["images", "rootdir"], "free": "100GiB"},
}


def cases(folder: Path) -> list[Any]:
    """Return one parameter per case file."""
    return [pytest.param(yaml.safe_load(path.read_text()), id=path.stem) for path in sorted(folder.glob("*.yaml"))]


def stack_of(vms: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, **more: Any) -> Stack:
    """Return the stack with these VMs; what is not given comes from FRAME."""
    frame = {**FRAME, **more, "defaults": {**FRAME["defaults"], **(defaults or {})}, "vms": dict(vms)}
    return load(yaml.safe_dump(frame, sort_keys=False), "home.yaml", guests.kinds())


def desired_of(stack: Stack) -> tuple[DesiredVm, ...]:
    return tuple(guests.desired(stack, vm) for vm in stack.vms)


def facts_of(case: Mapping[str, Any], now: Stack) -> Facts:
    """Return the cluster of a case.

    ``is`` holds the VMs that exist by name: as pvekit made them from ``was`` (or from the stack of today), with
    ``set``, ``pending``, ``removed``, ``lock``, ``stage``, ``running``, ``node``, ``vmid``, ``pool`` and ``mark: none``
    on top.
    """
    before = stack_of(case["was"], case.get("defaults")) if "was" in case else now
    made = {vm.name: vm for vm in desired_of(before)}
    nodes = case.get("nodes", NODES)
    own: dict[str, VmFacts] = {}
    strays: dict[str, VmRow] = {}
    for name, about in (case.get("is") or {}).items():
        found = _exists(made[name], about or {}, now.name, next(iter(nodes)))
        if name in {vm.name for vm in now.vms}:
            own[name] = found
        else:
            strays[name] = found.row
    others = [_other(row, next(iter(nodes))) for row in case.get("others", [])]
    return Facts(
        nodes={name: _node(name, about or {}) for name, about in nodes.items()},
        storages=tuple(_storages(case.get("storages", STORAGES), nodes)),
        rows=(*(facts.row for facts in own.values()), *strays.values(), *others),
        own=own,
        strays=strays,
    )


def _exists(vm: DesiredVm, about: Mapping[str, Any], stack: str, node: str) -> VmFacts:
    stage = Stage(about.get("stage", "ready"))
    seed = f"local:iso/pvekit.{stack}.{vm.name}.0123456789ab.iso" if stage is not Stage.READY else ""
    found = stored(vm, stack, stage=stage, node=about.get("node", node), vmid=about.get("vmid", 0), seed=seed)
    found = changed(found, about.get("set", {}))
    row = replace(
        found.row,
        running=about.get("running", found.row.running),
        lock=about.get("lock", ""),
        pool=about.get("pool", found.row.pool),
        tags=frozenset({stack_tag(stack), vm_tag(stack, vm.name), *vm.tags}),
    )
    return replace(
        found,
        row=row,
        digest="d1",
        pending=about.get("pending", {}),
        removed=frozenset(about.get("removed", ())),
        mark=None if about.get("mark", "") is None else found.mark,
    )


def _other(row: Mapping[str, Any], node: str) -> VmRow:
    return VmRow(
        vmid=row["vmid"],
        node=row.get("node", node),
        name=row.get("name", ""),
        running=row.get("running", True),
        tags=frozenset(row.get("tags", ())),
        lock=row.get("lock", ""),
        memory=parse_size(row.get("memory", "1GiB")),
        threads=row.get("threads", 1),
    )


def _node(name: str, about: Mapping[str, Any]) -> NodeFacts:
    return NodeFacts(
        name=name,
        online=about.get("online", True),
        threads=about.get("threads", 8),
        memory=_size(about.get("memory", "32GiB")),
        memory_used=_size(about.get("used", "2GiB")),
    )


def _storages(storages: Mapping[str, Any], nodes: Mapping[str, Any]) -> list[StorageFacts]:
    return [
        StorageFacts(
            name=name,
            node=node,
            active=about.get("active", True) and node not in about.get("inactive", ()),
            shared=about.get("shared", False),
            content=frozenset(about.get("content", ("images",))),
            size=_size(about.get("free", "100GiB")) + 10 * MIB,
            used=10 * MIB,
            plugin=about.get("plugin", ""),
        )
        for name, about in storages.items()
        for node in about.get("nodes", nodes)
    ]


def _size(text: str | int) -> int:
    return text if isinstance(text, int) else parse_size(text)


def host_of(case: Mapping[str, Any], nodes: Mapping[str, Any]) -> HostFacts:
    """Return version, permissions and bridges; a path of permissions that ends with ! does not propagate."""
    given = case.get("permissions", "all")
    permissions: Mapping[str, Mapping[str, bool]] | Missing = Missing("/access/permissions", "not asked")
    if given != "all":
        permissions = permissions_of(given)
    version = tuple(int(part) for part in str(case.get("version", "9.2.11")).split("."))
    bridges = case.get("bridges", ["vmbr0", "vmbr1"])
    known = {node: frozenset(bridges) if bridges is not None else Missing("network", "403") for node in nodes}
    return HostFacts(version, permissions, known)


def permissions_of(given: Mapping[str, Any]) -> dict[str, dict[str, bool]]:
    return {path.rstrip("!"): dict.fromkeys(held, not path.endswith("!")) for path, held in given.items()}


def shown(plan: Plan) -> str:
    """Return a plan as text: what the case files compare."""
    lines = []
    for action in plan.actions:
        after = f" after {', '.join(action.needs)}" if action.needs else ""
        danger = f" DANGER: {action.danger}" if action.danger else ""
        digest = f" [{action.digest}]" if action.digest else ""
        lines.append(f"{action.id}{after}: {action.why}{digest}{danger}")
        lines += [
            f"  {change.target}: {change.before} -> {change.after} ({change.effect.name})" for change in action.changes
        ]
    lines += [f"note: {note}" for note in plan.notes]
    lines += [f"root: {step}" for step in plan.root_steps]
    return "".join(f"{line}\n" for line in lines)
