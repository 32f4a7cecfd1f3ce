"""Plans the resource mappings of a stack's cards, their place in the graph, and the proofs in the guests. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pvekit.adapters.pve.facts import PciMapping
from pvekit.model.desired import DesiredVm
from pvekit.model.facts import Facts, VmFacts
from pvekit.model.pcimap import by_node, is_ours, mapping_name, mapping_note, parts, same
from pvekit.model.plan import Action, Change, Plan, Verb
from pvekit.model.properties import HostPci, PropertyInvalid
from pvekit.model.stack import Stack
from pvekit.model.stack.gpus import Gpu, GpuMatch
from pvekit.provision.gpus import NO_GROUP, Card, Resolved, Slots, devices_text

_STARTS = (Verb.START, Verb.RESTART)
_TAKES = (Verb.CREATE, Verb.CONFIGURE, Verb.INSTALL, *_STARTS)


@dataclass(frozen=True, slots=True)
class MapTodo:
    """What one mapping action does.

    ``before`` are the entries that the plan saw (None: there is no such mapping), ``after`` those that it shall have,
    by node (empty: it goes). Nodes in ``unseen`` tell the IOMMU group only after their host step: what the card is
    there is looked up again.
    """

    name: str
    gpu: Gpu
    before: Mapping[str, str] | None
    after: Mapping[str, str]
    description: str = ""
    unseen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CardWork:
    """What the mapping actions do, by their ids, the cards of each VM and their names, and the nodes' slots."""

    todo: Mapping[str, MapTodo] = field(default_factory=dict)
    cards: Mapping[str, tuple[Card, ...]] = field(default_factory=dict)
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    slots: Mapping[str, Slots] = field(default_factory=dict)


def uses(stack: Stack, vms: Iterable[DesiredVm]) -> dict[str, list[DesiredVm]]:
    """Return the VMs that have each card, by the card's name."""
    found: dict[str, list[DesiredVm]] = {}
    for vm in vms:
        for card in stack.vm(vm.name).gpus:
            found.setdefault(card.name, []).append(vm)
    return found


def leftover(stack: str, own: Iterable[VmFacts]) -> bool:
    """Return whether a VM has a card by a mapping of ours, now or until its next start."""
    prefix = mapping_name(stack, "")
    values = (
        value
        for vm in own
        for config in (vm.config, vm.wanted)
        for key, value in config.items()
        if key.rstrip("0123456789") == "hostpci"
    )
    return any(_mapping(value).startswith(prefix) for value in values)


def _mapping(value: str) -> str:
    try:
        return HostPci.parse(value).mapping or ""
    except PropertyInvalid:
        return ""


def refusals(stack: Stack, vms: Sequence[DesiredVm], resolved: Mapping[str, Resolved], *, group: bool) -> list[str]:
    """Return why VMs cannot have their cards. ``group``: a card without an IOMMU group is refused, too."""
    found: list[str] = []
    holders: dict[tuple[str, str], tuple[str, str]] = {}
    for vm in vms:
        for wanted in stack.vm(vm.name).gpus:
            about = resolved[wanted.name]
            card = about.cards.get(vm.node)
            if card is None:
                found.append(f"{vm.name}: {wanted.name}: {about.problems[vm.node]}")
                continue
            if group and card.group == NO_GROUP:
                found.append(
                    f"{vm.name}: {wanted.name}: {card.first.address} on {vm.node} is in no IOMMU group, so that no VM "
                    "can have it: the node's IOMMU is off. The cause: pvekit passthrough diagnose root@ADDRESS. Or add "
                    "host: ssh:, with which pvekit looks itself, and changes it with passthrough: configure"
                )
            if not vm.running:
                continue
            other = holders.setdefault((vm.node, card.first.place), (vm.name, wanted.name))
            if other != (vm.name, wanted.name):
                found.append(_twice(vm.name, wanted.name, other, card))
    return list(dict.fromkeys(found))


def _twice(vm: str, gpu: str, other: tuple[str, str], card: Card) -> str:
    if other[0] == vm:
        return f"{vm}: {other[1]} and {gpu} are the same card, {card.path} on {card.node}. Remove one"
    return (
        f"{vm}: {gpu} ({card.path} on {card.node}) is {other[0]}'s card as well, and only one of them can run. Write "
        "state: stopped for one of them"
    )


def notes(stack: Stack, vms: Sequence[DesiredVm], resolved: Mapping[str, Resolved]) -> list[str]:
    """Return what a reader should know: devices that the node loses besides the cards."""
    mine = {
        (card.node, row.address)
        for about in resolved.values()
        for card in about.cards.values()
        for row in card.functions
    }
    found = []
    for vm in vms:
        for wanted in stack.vm(vm.name).gpus:
            card = resolved[wanted.name].cards.get(vm.node)
            others = [row for row in card.neighbours if (card.node, row.address) not in mine] if card else []
            if card is not None and others:
                found.append(
                    f"{vm.name}: {wanted.name} shares IOMMU group {card.group} of {card.node} with "
                    f"{devices_text(others)}: the node loses all of them while the VM runs"
                )
    return found


def mapping_actions(
    stack: Stack,
    vms: Sequence[DesiredVm],
    resolved: Mapping[str, Resolved],
    known: Mapping[str, PciMapping],
    *,
    whole: bool,
) -> tuple[list[Action], dict[str, MapTodo], list[str]]:
    """Return the actions, what they do, and what is refused. ``whole``: all VMs of the stack are looked at."""
    actions: list[Action] = []
    todo: dict[str, MapTodo] = {}
    refused: list[str] = []
    used = uses(stack, vms)
    for name, holders in used.items():
        mapped = mapping_name(stack.name, name)
        row = known.get(mapped)
        if row is not None and not is_ours(stack.name, row.description):
            refused.append(
                f"there is a PCI mapping {mapped} that pvekit did not make, and it is left alone. Rename the card "
                f"{name} in the stack file, or remove the mapping under Datacenter, Resource Mappings"
            )
            continue
        cards = {vm.node: resolved[name].cards[vm.node] for vm in holders if vm.node in resolved[name].cards}
        do = _todo(stack.name, resolved[name].gpu, cards, row, whole=whole)
        if do is not None:
            action = _action(do, "has no resource mapping" if row is None else "is not as its mapping says")
            actions.append(action)
            todo[action.id] = do
    for mapped, row in known.items() if whole else ():
        if is_ours(stack.name, row.description) and mapped not in {mapping_name(stack.name, name) for name in used}:
            name = mapped.removeprefix(mapping_name(stack.name, ""))
            do = MapTodo(mapped, Gpu(name, GpuMatch()), by_node(row.entries), {})
            action = _action(do, "is used by no VM of the stack any more")
            actions.append(action)
            todo[action.id] = do
    return actions, todo, refused


def _todo(stack: str, gpu: Gpu, cards: Mapping[str, Card], row: PciMapping | None, *, whole: bool) -> MapTodo | None:
    before = by_node(row.entries) if row is not None else None
    wanted = {node: card.entry for node, card in cards.items()}
    after = wanted if whole or before is None else {**before, **wanted}
    unseen = frozenset(node for node, card in cards.items() if card.group == NO_GROUP)
    if before is not None and _equal(before, after, unseen):
        return None
    return MapTodo(mapping_name(stack, gpu.name), gpu, before, after, mapping_note(stack, gpu.name), unseen)


def _equal(before: Mapping[str, str], after: Mapping[str, str], unseen: Collection[str]) -> bool:
    """Return whether nothing has to be written; while a node tells no group, one that is known already is believed."""
    if before.keys() != after.keys():
        return False
    return all(
        same(before[node], entry) or (node in unseen and _groupless(before[node]) == _groupless(entry))
        for node, entry in after.items()
    )


def _groupless(entry: str) -> dict[str, str]:
    return {key: value for key, value in parts(entry).items() if key != "iommugroup"}


def _action(do: MapTodo, why: str) -> Action:
    before, nodes = do.before or {}, sorted({*(do.before or {}), *do.after})
    changes = tuple(
        Change(node, before.get(node), do.after.get(node))
        for node in nodes
        if not same(before.get(node), do.after.get(node))
    )
    return Action(f"mapping:{do.name}", Verb.MAPPING, "", changes, why=f"the card {do.gpu.name} {why}")


def woven(plan: Plan, stack: Stack, vms: Sequence[DesiredVm], todo: Mapping[str, MapTodo]) -> Plan:
    """Return the plan in which VMs wait for their mappings. A mapping that goes waits for the VMs that let go of it."""
    ids = {action.id for action in plan.actions}
    of = {vm.name: vm for vm in vms}
    letting_go = tuple(action.id for action in plan.actions if action.verb is Verb.CONFIGURE and _lets_go(action))

    def more(action: Action) -> tuple[str, ...]:
        if action.verb is Verb.MAPPING:
            return () if todo[action.id].after else letting_go
        vm = of.get(action.vm)
        cards = stack.vm(action.vm).gpus if vm is not None else ()
        if vm is None or not cards or action.verb not in _TAKES:
            return ()
        return tuple(f"mapping:{mapping_name(stack.name, card.name)}" for card in cards)

    return replace(
        plan,
        actions=tuple(
            replace(
                action, needs=tuple(dict.fromkeys([*action.needs, *(need for need in more(action) if need in ids)]))
            )
            for action in plan.actions
        ),
    )


def _lets_go(action: Action) -> bool:
    return any(change.before is not None and change.target.startswith("hostpci") for change in action.changes)


def with_restarts(
    plan: Plan, stack: Stack, facts: Facts, todo: Mapping[str, MapTodo], *, restart: bool
) -> tuple[Plan, list[str]]:
    """Return the plan, in which running VMs whose card becomes another one are restarted, or notes that this is due."""
    changed = {(do.gpu.name, node) for do in todo.values() for node in _moved(do)}
    found: list[str] = []
    for vm in stack.vms:
        own = facts.own.get(vm.name)
        if own is None or not own.row.running or vm.state != "running":
            continue
        hit = [card.name for card in vm.gpus if (card.name, own.row.node) in changed]
        if not hit:
            continue
        if any(action.verb in _STARTS for action in plan.of(vm.name)):
            continue
        if not restart:
            cards = ", ".join(hit)
            found.append(f"{vm.name}: keeps {cards} as it was until its restart (pvekit restart {vm.name})")
            continue
        again = Action(f"{vm.name}:restart", Verb.RESTART, vm.name, why="its card changes", danger="interrupts the VM")
        plan = replace(plan, actions=(*plan.actions, again))
    return plan, found


def _moved(do: MapTodo) -> list[str]:
    """Return the nodes on which the mapping means another card than before."""
    return [node for node, entry in (do.before or {}).items() if node in do.after and not same(entry, do.after[node])]


def proofs(plan: Plan, stack: Stack, vms: Sequence[DesiredVm], facts: Facts) -> list[Action]:
    """Return the looks into the guests.

    A guest is looked into when this run starts it, and when it runs with cards that no look has found in order yet.
    """
    found: list[Action] = []
    for vm in vms:
        cards = stack.vm(vm.name).gpus
        if not cards or not vm.running:
            continue
        chain = plan.of(vm.name)
        own = facts.own.get(vm.name)
        started = any(action.verb in _STARTS for action in chain)
        if not started and (own is None or not _unproved(stack, vm, own)):
            continue
        why = "is the card in the guest" if len(cards) == 1 else "are the cards in the guest"
        last = (chain[-1].id,) if chain else ()
        found.append(Action(f"{vm.name}:prove", Verb.PROVE, vm.name, needs=last, why=why))
    return found


def proof_of(stack: Stack, vm: str) -> str:
    """Return what a mark says of a VM whose cards were all found in order."""
    return ",".join(sorted(card.name for card in stack.vm(vm).gpus))


def _unproved(stack: Stack, vm: DesiredVm, own: VmFacts) -> bool:
    keys = [key for key in vm.config if key.startswith("hostpci")]
    waiting = any(key in own.pending or key in own.removed or key not in own.config for key in keys)
    return own.mark is not None and own.row.running and not waiting and own.mark.proof != proof_of(stack, vm.name)
