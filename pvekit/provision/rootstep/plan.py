"""Plans the root step: which nodes have to be looked at, what has to be done there, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts
from pvekit.model.nodelook import NodeLook
from pvekit.model.plan import Action, Plan, Verb
from pvekit.model.stack import Stack
from pvekit.model.stack.home import PoolDisk, Tuning
from pvekit.provision.rootstep import files, items, keys
from pvekit.provision.rootstep.files import Found
from pvekit.provision.rootstep.todo import Keys, Todo

_BEFORE = frozenset({Verb.CREATE, Verb.CONFIGURE, Verb.RESIZE})
_AFTER = frozenset({Verb.INSTALL, Verb.START, Verb.RESTART})


class Inspect(Protocol):
    """Looks at disks of a node, read only, and says why they may not be given to a VM (empty: they may)."""

    def __call__(self, node: str, disks: Sequence[PoolDisk]) -> Sequence[str]:
        """Return a reason for every disk that is mounted, in a pool, an array or a group, or not the one meant."""


@dataclass(frozen=True, slots=True)
class Work:
    """What the root actions of a plan do, by their ids."""

    todo: Mapping[str, Todo] = field(default_factory=dict)

    def disks(self) -> tuple[tuple[str, PoolDisk], ...]:
        """Return the disks that are given whole, each with its node."""
        return tuple((do.node, do.disk) for do in self.todo.values() if isinstance(do, Keys) and do.disk is not None)


def nodes_to_see(stack: Stack, vms: Sequence[DesiredVm], found: Found, *, only: Collection[str] = ()) -> frozenset[str]:
    """Return the nodes that have to be looked at for what the stack file asks: none when it asks for nothing there.

    Pinning, huge pages and disks that are attached already are in the VM's configuration, so only changes of them
    need the node.
    """
    host = stack.host
    if host is None or host.ssh is None:
        return frozenset()
    nodes = {do.node for do in found.todo.values() if isinstance(do, Keys)}
    scheduled = [vm.node for vm in vms if not stack.vm(vm.name).start.schedule.empty]
    nodes |= set(scheduled)
    # A VM that moved leaves its timers on the node where it was.
    if scheduled or (not host.tuning.empty and not only):
        nodes |= set(host.ssh.nodes)
    return frozenset(nodes)


def key_plan(stack: Stack, vms: Sequence[DesiredVm], facts: Facts) -> tuple[Found, tuple[keys.Whole, ...]]:
    """Return what has to be set in VMs by root, and the disks that are to be attached whole. Needs no node."""
    found = Found()
    wholes: list[keys.Whole] = []
    for vm in vms:
        wholes += keys.compare_keys(stack.vm(vm.name), vm, facts.own.get(vm.name), found)
    return found, tuple(wholes)


def node_plan(
    stack: Stack,
    vms: Sequence[DesiredVm],
    facts: Facts,
    looks: Mapping[str, NodeLook],
    found: Found,
    *,
    only: Collection[str] = (),
) -> None:
    """Add what has to be done on the nodes themselves: tuning and schedules."""
    tuning = stack.host.tuning if stack.host is not None and not only else Tuning()
    for node, look in looks.items():
        memory = facts.nodes[node].memory if node in facts.nodes else 0
        found.refused += items.impossible(tuning, look)
        wanted = items.tuning(tuning, look, memory)
        for vm in vms:
            if vm.node == node:
                own = facts.own.get(vm.name)
                vmid = own.row.vmid if own is not None else None
                wanted += items.schedule(stack.name, vm.name, stack.vm(vm.name).start.schedule, node, vmid)
        files.compare(stack.name, wanted, look, found)
        rest = files.leftovers(stack.name, look, items.paths_of(wanted), only)
        files.take_away(rest, look, found, {vm.name for vm in vms})


def disk_refusals(wholes: Sequence[keys.Whole], looks: Mapping[str, NodeLook], facts: Facts) -> list[str]:
    """Return which whole disks are not there or belong to somebody else."""
    vmids = {name: own.row.vmid for name, own in facts.own.items()}
    return [
        reason
        for node, look in looks.items()
        for reason in keys.used_disks([whole for whole in wholes if whole.node == node], look, vmids)
    ]


def woven(plan: Plan, found: Found, nodes: Mapping[str, str]) -> Plan:
    """Return the plan with the root actions in their places. ``nodes`` are the VMs' nodes.

    A VM's root actions come after it was created and changed, one after the other, and before it starts. Starts also
    wait for what limits or reserves the node's memory.
    """
    own: dict[str, list[Action]] = {}
    for action in found.actions:
        own.setdefault(action.vm, []).append(action)
    actions = [action for action in plan.actions if not action.vm] + own.get("", [])
    for vm in dict.fromkeys([action.vm for action in plan.actions if action.vm] + [name for name in own if name]):
        chain = list(plan.of(vm))
        before = tuple(action.id for action in chain if action.verb in _BEFORE)
        roots = _in_turn(own.get(vm, []), before)
        gates = (*(action.id for action in roots), *found.gates.get(nodes.get(vm, ""), []))
        at = next((at for at, action in enumerate(chain) if action.id not in before and _comes_after(action)), None)
        at = len(chain) if at is None else at
        chain = [replace(a, needs=(*a.needs, *gates)) if a.verb in _AFTER else a for a in chain]
        actions += [*chain[:at], *roots, *chain[at:]]
    return replace(plan, actions=tuple(actions))


def _comes_after(action: Action) -> bool:
    return action.verb not in (Verb.SEED, Verb.IMAGE, *_BEFORE)


def _in_turn(actions: Sequence[Action], before: tuple[str, ...]) -> list[Action]:
    """Return the actions so that each needs the one before it: they change the same configuration."""
    done: list[Action] = []
    for action in actions:
        needs = (*before, *((done[-1].id,) if done else ()))
        done.append(replace(action, needs=needs))
    return done
