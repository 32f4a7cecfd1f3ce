"""The root step in plans and runs: looks at the nodes by SSH where the stack file asks for something there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PreflightRefused
from pvekit.model.facts import Facts
from pvekit.model.nodelook import NodeLook
from pvekit.model.plan import Plan
from pvekit.model.stack.home import HostSsh
from pvekit.provision.rootstep.header import read
from pvekit.provision.rootstep.keys import Whole
from pvekit.provision.rootstep.plan import Work, disk_refusals, key_plan, node_plan, nodes_to_see, woven
from pvekit.provision.rootstep.todo import Put
from pvekit.workflows.places import data_home
from pvekit.workflows.session import Session
from pvekit.workflows.wake import learn
from pvekit.workflows.wholedisks import inspector

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import Nodes
    from pvekit.provision.rootstep.apply import Root

_HUGEPAGES = (
    "hugepages: PVE sets the number back whenever a VM with huge pages stops; to keep them reserved, write hugepages=N "
    "on the node's kernel command line"
)


def ssh_of(session: Session) -> HostSsh | None:
    """Return how the nodes are reached by SSH; None when the stack file does not say it, or for the embedded node."""
    host = session.stack.host
    return host.ssh if host is not None and not session.lab and not session.offline else None


def with_root(
    session: Session, plan: Plan, vms: Sequence[DesiredVm], facts: Facts, *, only: Collection[str] = ()
) -> tuple[Plan, Work]:
    """Return the plan with its root actions, and what they do. Nothing is changed.

    A stack that asks for nothing on the nodes costs nothing here. Raises PreflightRefused, HostUnreachable,
    HostKeyMismatch, SecretUnavailable.
    """
    stack = session.stack
    host = stack.host
    if host is None:
        return plan, Work()
    if host.ssh is None:
        if not host.tuning.empty and not session.lab:
            raise PreflightRefused(
                ["tuning needs SSH to the nodes"],
                hint="Add host: {ssh: {nodes: {NODE: {address: …, host_key: …}}}}, or leave tuning out.",
            )
        return plan, Work()
    found, wholes = key_plan(stack, vms, facts)
    nodes = {vm.name: vm.node for vm in vms}
    settings = ssh_of(session)
    wanted = nodes_to_see(stack, vms, found, only=only)
    if settings is None:
        # The embedded node has no operating system of its own; a recording has no node to look at.
        note = "the embedded node has no root step: what needs SSH to the node is left out"
        if not session.lab:
            plan = woven(plan, found, nodes) if found.actions else plan
            note = "the nodes are not looked at: tuning and schedules are left out of this plan"
        return (replace(plan, notes=(*plan.notes, note)) if wanted else plan), Work()
    # What an earlier run left there and the stack file does not have any more; forgetting it loses only that notice.
    wanted |= remembered(stack.name) & settings.nodes.keys() if not only else frozenset()
    if not wanted:
        return plan, Work()
    from pvekit.adapters.nodessh import Nodes

    with Nodes(settings) as doors:
        looks = look_at(doors, wanted, wholes)
        node_plan(stack, vms, facts, looks, found, only=only)
        found.refused += disk_refusals(wholes, looks, facts)
        found.refused += _calendar_refusals(doors, found.todo.values())
        found.refused += [] if found.refused else _inspected(doors, wholes)
    if found.refused:
        raise PreflightRefused(list(dict.fromkeys(found.refused)))
    _remember_seen(stack.name, looks, only)
    learn(stack.name, {node: look.ports for node, look in looks.items()})
    notes = (_HUGEPAGES,) if any(name.endswith(":hugepages") for name in found.todo) and host.tuning.hugepages else ()
    if not found.actions:
        return plan, Work()
    plan = woven(plan, found, nodes)
    return replace(plan, notes=(*plan.notes, *notes)), Work(found.todo)


def look_at(doors: Nodes, nodes: Iterable[str], wholes: Sequence[Whole] = ()) -> dict[str, NodeLook]:
    """Return one look at each node, all at once: one connection and one command for each."""
    names = sorted(nodes)
    # Before anything is sent: a node that the stack file does not know how to reach.
    found = [doors.door(name) for name in names]
    disks = [sorted({w.disk.by_id for w in wholes if w.node == name and w.disk.by_id}) for name in names]
    with ThreadPoolExecutor(max_workers=8, thread_name_prefix="look") as pool:
        return dict(zip(names, pool.map(lambda door, ids: door.look(ids), found, disks), strict=True))


def _calendar_refusals(doors: Nodes, todo: Iterable[object]) -> list[str]:
    """Return which schedules the node's systemd does not understand. Asks only for schedules that change."""
    refused = []
    for item in (do.item for do in todo if isinstance(do, Put) and do.item.calendar):
        done = doors.door(item.node).attempt(["systemd-analyze", "calendar", "--", item.calendar])
        if done.rc != 0:
            words = (done.err.strip() or done.out.strip()).splitlines()
            why = f": {words[0]}" if words else ""
            refused.append(f"{item.vm}: {item.node} cannot read the time {item.calendar!r}{why}")
    return refused


def _inspected(doors: Nodes, wholes: Sequence[Whole]) -> list[str]:
    judge = inspector(doors)
    refused: list[str] = []
    for node in sorted({whole.node for whole in wholes}):
        refused += judge(node, [whole.disk for whole in wholes if whole.node == node])
    return refused


def doors_for(session: Session, work: Work) -> AbstractContextManager[Nodes | None]:
    """Return the nodes for a run; None when there is nothing to do on them. Remembers where files are put."""
    settings = ssh_of(session)
    if settings is None or not work.todo:
        return nullcontext()
    from pvekit.adapters.nodessh import Nodes

    puts = {do.item.node for do in work.todo.values() if isinstance(do, Put)}
    if puts:
        _remember(session.stack.name, remembered(session.stack.name) | puts)
    return Nodes(settings)


def root_of(nodes: Nodes | None, work: Work) -> Root | None:
    """Return what a job needs for root actions."""
    if nodes is None:
        return None
    from pvekit.provision.rootstep.apply import Root

    return Root(nodes, work, inspector(nodes))


def remembered(stack: str) -> frozenset[str]:
    """Return the nodes where this stack put files, as far as this machine knows."""
    try:
        found = json.loads((data_home() / "stacks" / stack / "nodes.json").read_text())
    except (OSError, ValueError):
        return frozenset()
    return frozenset(str(name) for name in found) if isinstance(found, list) else frozenset()


def _remember(stack: str, nodes: Collection[str]) -> None:
    from pvekit.adapters.files import write_atomic

    write_atomic(data_home() / "stacks" / stack / "nodes.json", json.dumps(sorted(nodes)).encode())


def _remember_seen(stack: str, looks: dict[str, NodeLook], only: Collection[str]) -> None:
    """Keep the list true after a look at everything."""
    if only:
        return
    ours = {node for node, look in looks.items() if any(_is_ours(stack, file.text) for file in look.files.values())}
    before = remembered(stack)
    after = (before - looks.keys()) | ours
    if after != before:
        _remember(stack, after)


def _is_ours(stack: str, text: str) -> bool:
    header = read(text)
    return header is not None and header.stack == stack
