"""Compares a node's files, live settings and units with what the stack file asks for. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pvekit.model.nodelook import NodeLook
from pvekit.model.plan import Action, Change, Effect, Verb
from pvekit.provision.rootstep.header import Header, read, wrap
from pvekit.provision.rootstep.items import ARC_FILE, UNITS, Item
from pvekit.provision.rootstep.todo import Put, Take, Todo

_NAMES = {
    ARC_FILE: "zfs_arc_max",
    "/etc/sysctl.d/90-pvekit.conf": "swappiness",
    "/etc/tmpfiles.d/pvekit-hugepages.conf": "hugepages",
    "/etc/tmpfiles.d/pvekit-governor.conf": "governor",
    "/etc/systemd/system-preset/10-pvekit-ksm.preset": "ksm",
}


@dataclass(slots=True)
class Found:
    """Actions with what each does, and what cannot be done."""

    actions: list[Action] = field(default_factory=list)
    todo: dict[str, Todo] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    gates: dict[str, list[str]] = field(default_factory=dict)
    """By node: the actions that its VMs' starts wait for."""

    def add(self, action: Action, todo: Todo) -> None:
        """Add an action."""
        self.actions.append(action)
        self.todo[action.id] = todo


def action_id(node: str, vm: str, name: str) -> str:
    """Return the id of a root action."""
    return f"root:{node}:{vm}:{name}"


def compare(stack: str, items: Iterable[Item], look: NodeLook, found: Found) -> None:
    """Add what has to be put onto one node."""
    for item in items:
        others = _others(stack, item, look)
        if others:
            found.refused += others
            continue
        put, changes = _put(stack, item, look)
        if not changes:
            continue
        name = action_id(item.node, item.vm, item.name)
        action = Action(name, Verb.ROOT, item.vm, tuple(changes), why=f"{item.name} on {item.node}")
        found.add(action, put)
        if item.gates:
            found.gates.setdefault(item.node, []).append(name)


def _others(stack: str, item: Item, look: NodeLook) -> list[str]:
    """Return why an item is not this stack's to change."""
    owners = {
        header.stack
        for text in item.texts
        if text.path in look.files and (header := read(look.files[text.path].text)) is not None
    }
    return [
        f"{look.node}: {item.name} is set by the stack {owner} already. Leave it out of one of the two"
        for owner in sorted(owners - {stack})
    ]


def _put(stack: str, item: Item, look: NodeLook) -> tuple[Put, list[Change]]:
    before = _before(item, look)
    texts: dict[str, str] = {}
    keep: set[str] = set()
    changes: list[Change] = []
    for text in item.texts:
        now = look.files.get(text.path)
        texts[text.path] = wrap(Header(stack, before), text.body)
        if now is not None and read(now.text) is None:
            keep.add(text.path)
        if now is None or now.text != texts[text.path] or now.mode != "644":
            changes.append(Change(text.path, now.text if now else None, texts[text.path], Effect.LIVE))
    for path, value in item.live:
        current = look.values.get(path)
        if current != value and (item.steady or changes):
            changes.append(Change(path, current, value, Effect.LIVE))
    for unit, on in item.units.items():
        state = look.units.get(unit)
        if state is None or not (state.on if on else state.off):
            shown = f"{state.enabled}, {state.active}" if state is not None else None
            if on or state is not None:
                changes.append(Change(unit, shown, "enabled, active" if on else "disabled, inactive", Effect.LIVE))
    seen = {path: look.digest(path) for path in texts}
    return Put(item, texts, seen, frozenset(keep), before), changes


def _before(item: Item, look: NodeLook) -> dict[str, str]:
    """Return what the live settings were before pvekit: the first file's header knows, else they are so now."""
    first = look.files.get(item.texts[0].path)
    header = read(first.text) if first is not None else None
    known = dict(header.before) if header is not None else {}
    now = {path: look.values[path] for path, _ in item.live if path in look.values}
    # A timer is pvekit's own: there is no state of it before.
    now |= {unit: look.units[unit].enabled for unit in item.units if unit in look.units and not unit.endswith(".timer")}
    return {**now, **known}


def leftovers(stack: str, look: NodeLook, wanted: Collection[str] = (), vms: Collection[str] = ()) -> list[Take]:
    """Return what this stack put onto a node and does not want any more, one for each item.

    ``wanted`` are paths that stay. ``vms`` limits it to the schedules of these VMs (empty: everything).
    """
    groups: dict[tuple[str, str], dict[str, str]] = {}
    before: dict[tuple[str, str], Mapping[str, str]] = {}
    for path, file in look.files.items():
        header = read(file.text)
        if header is None or header.stack != stack or path in wanted:
            continue
        key = _name(stack, path)
        if vms and key[0] not in vms:
            continue
        groups.setdefault(key, {})[path] = file.sha256
        before[key] = header.before
    zfs = look.root_filesystem == "zfs"
    return [
        Take(name, look.node, vm, seen, before[vm, name], initramfs=zfs and ARC_FILE in seen)
        for (vm, name), seen in sorted(groups.items())
    ]


def _name(stack: str, path: str) -> tuple[str, str]:
    """Return the VM (empty for the node's own) and the name of the item that a file belongs to."""
    unit = re.fullmatch(rf"{UNITS}/pvekit-{re.escape(stack)}-(.+)-(start|stop)\.(?:timer|service)", path)
    if unit is not None:
        return unit[1], f"schedule: {unit[2]}"
    return "", _NAMES.get(path, path)


def take_away(takes: Iterable[Take], look: NodeLook, found: Found, known: Collection[str]) -> None:
    """Add the undoing of what is not wanted any more. ``known`` are the VMs of the plan."""
    for take in takes:
        changes = [Change(path, look.files[path].text, None, Effect.LIVE) for path in sorted(take.seen)]
        changes += [
            Change(path, look.values[path], value, Effect.LIVE)
            for path, value in take.before.items()
            if path in look.values and look.values[path] != value
        ]
        name = action_id(take.node, take.vm, f"undo {take.name}")
        vm = take.vm if take.vm in known else ""
        why = f"{take.name} on {take.node} is not in the stack file any more"
        found.add(Action(name, Verb.ROOT, vm, tuple(changes), why=why), take)
