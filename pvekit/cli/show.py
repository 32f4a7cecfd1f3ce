"""Plans, statuses and volumes as text."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import click

from pvekit.cli.hints import complete
from pvekit.cli.show_root import root_lines
from pvekit.model.budget_table import budget_lines
from pvekit.model.plan import Action, Change, Effect, Plan, Verb

_WORD = {
    Verb.AWAIT: "wait for the guest",
    Verb.SETTLE: "detach the seed",
    Verb.UNSEED: "delete the seed",
    Verb.RESIZE: "grow",
    Verb.PROVE: "look for the cards in the guest",
}


def plan_text(plan: Plan, *, budget: bool = False) -> str:
    """Return the plan for a person to read. ``budget`` shows what the nodes have even when nothing is to be done."""
    if plan.empty:
        lines = ["", *_cost_lines(plan), ""] if budget and plan.budgets else []
        return "\n".join([f"{plan.stack}: no changes.", *lines, *_notes(plan.notes)]).rstrip()
    lines = [f"{plan.stack}: {_count(plan.actions)}", ""]
    hosts = [action for action in plan.actions if action.verb is Verb.HOSTGPU]
    if hosts:
        from pvekit.cli.show_gpuhost import host_lines

        lines += host_lines(hosts, "  ")
    for action in plan.actions:
        if action.verb is Verb.IMAGE:
            _, image, storage, node = action.id.split(":")
            lines.append(f"  image {image}: on storage {storage} of {node}, brought there if it is not yet")
    for action in plan.actions:
        if action.verb is Verb.MAPPING:
            lines += _mapping_lines(action)
    lines += root_lines([a for a in plan.actions if a.verb is Verb.ROOT and not a.vm], "  ")
    for vm in dict.fromkeys(a.vm for a in plan.actions if a.vm):
        lines += _vm_lines(vm, plan.of(vm))
    lines += ["", *_cost_lines(plan)]
    if plan.root_steps:
        lines += ["", "steps that PVE refuses to an API token:", *(f"  {step}" for step in plan.root_steps)]
    return "\n".join([*lines, *_notes(plan.notes)])


def _count(actions: Sequence[Action]) -> str:
    new = sum(1 for a in actions if a.verb is Verb.CREATE)
    others = {a.vm for a in actions if a.vm} - {a.vm for a in actions if a.verb is Verb.CREATE}
    parts = [f"{new} VM{'s' if new != 1 else ''} to create"] if new else []
    parts += [f"{len(others)} VM{'s' if len(others) != 1 else ''} to change"] if others else []
    hosts = [a for a in actions if a.verb is Verb.HOSTGPU]
    parts += [f"{len(hosts)} node{'s' if len(hosts) != 1 else ''} to make ready for cards"] if hosts else []
    maps = [a for a in actions if a.verb is Verb.MAPPING]
    parts += [f"{len(maps)} resource mapping{'s' if len(maps) != 1 else ''} to write"] if maps else []
    nodes = {a.id for a in actions if a.verb is Verb.ROOT and not a.vm}
    parts += [f"{len(nodes)} setting{'s' if len(nodes) != 1 else ''} of nodes to change"] if nodes else []
    return ", ".join(parts)


def _mapping_lines(action: Action) -> list[str]:
    lines = [f"  resource mapping {action.id.partition(':')[2]}: {action.why}"]
    for change in action.changes:
        if change.before is None:
            lines.append(f"      {change.after}")
        else:
            lines += [f"      {change.before}", f"        -> {change.after or '(removed)'}"]
    return lines


def _vm_lines(vm: str, actions: Sequence[Action]) -> list[str]:
    creating = any(a.verb is Verb.CREATE for a in actions)
    lines = [click.style(f"  {'+' if creating else '~'} {vm}", bold=True)]
    for action in actions:
        if action.verb is Verb.CREATE:
            lines += _new_lines(action.changes)
        elif action.verb is Verb.ROOT:
            lines += root_lines([action], " " * 6)
        elif not creating:
            danger = click.style(f"  {action.danger}!", fg="red") if action.danger else ""
            lines.append(f"      {_WORD.get(action.verb, action.verb.value)}: {action.why}{danger}")
            lines += [_change(change) for change in action.changes]
    if creating:
        shown = (Verb.CREATE, Verb.SEED, Verb.IMAGE, Verb.ROOT)
        rest = [_WORD.get(a.verb, a.verb.value) for a in actions if a.verb not in shown]
        lines.append(f"      then: {', '.join(rest) if rest else 'stays off'}")
    return lines


_OWN_LINE = frozenset({"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate", "net", "hostpci", "usb", "description"})


def _new_lines(changes: Sequence[Change]) -> list[str]:
    """Return a new VM's settings: devices on lines of their own, all else as one paragraph."""
    devices = [c for c in changes if c.target.rstrip("0123456789") in _OWN_LINE]
    # No-break spaces keep a key and its value on one line.
    rest = ", ".join(f"{c.target}:\xa0{c.after}" for c in changes if c not in devices)
    lines = [f"      {c.target}: {c.after}" for c in devices]
    wrapped = textwrap.wrap(rest, 100, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False)
    return [*lines, *(line.replace("\xa0", " ") for line in wrapped)]


def _change(change: Change) -> str:
    after = "(removed)" if change.after is None else change.after
    before = "(not set)" if change.before is None else change.before
    forecast = {Effect.LIVE: "live", Effect.RESTART: "forecast: needs a restart", Effect.NEW: "with the next start"}
    return f"        {change.target}: {before} -> {after}  [{forecast[change.effect]}]"


def _cost_lines(plan: Plan) -> list[str]:
    lines = [line for budget in plan.budgets for line in budget_lines(budget)]
    return ["costs:", *lines] if lines else []


def _notes(notes: Iterable[str]) -> list[str]:
    return [f"note: {complete(note)}" for note in notes]


def as_json(value: Any) -> str:
    """Return any of our values as indented JSON."""
    return json.dumps(value, default=_plain, indent=2, sort_keys=True)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return str(value)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return aligned columns."""
    widths = [max(len(str(row[index])) for row in [header, *rows]) for index in range(len(header))]
    lines = [
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)
