"""Cards of the nodes in plans: reads what the nodes have, resolves what the stack file means, and weaves it in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from pvekit.adapters import pve as api
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PermissionDenied, PermissionsMissing, PreflightRefused
from pvekit.model.facts import Facts
from pvekit.model.plan import Plan
from pvekit.model.stack import Stack, Vm
from pvekit.provision import gpumaps
from pvekit.provision.gpumaps import CardWork
from pvekit.provision.gpus import Resolved, Slots, read_slots, resolve
from pvekit.provision.placement import place
from pvekit.provision.privileges import hardware, pveum_lines
from pvekit.workflows.rootstep import ssh_of
from pvekit.workflows.session import Session

_SLOTS = "/sys/bus/pci/slots"

Rows = dict[str, tuple[api.PciDevice, ...]]


class Cards:
    """The cards of one plan. Every node is asked once, and only nodes that matter are."""

    def __init__(self, session: Session) -> None:
        """Keep the session; nothing is sent."""
        self._session = session
        self._stack = session.stack
        self._rows: Rows = {}
        self._slots: dict[str, Slots] = {}

    def placed(self, wanted: Sequence[DesiredVm], facts: Facts) -> list[DesiredVm]:
        """Return the VMs; a new one whose node is left to pvekit goes where its cards are."""
        found: list[DesiredVm] = []
        for vm in wanted:
            cards = self._stack.vm(vm.name).gpus
            free = bool(cards) and vm.node == "auto" and vm.name not in facts.own
            found.append(replace(vm, node=self._node_for(self._stack.vm(vm.name), facts, vm)) if free else vm)
        return found

    def _node_for(self, vm: Vm, facts: Facts, desired: DesiredVm) -> str:
        fixed = [gpu.node for card in vm.gpus if (gpu := self._stack.gpus[card.name]).node]
        if fixed:
            return fixed[0] or "auto"
        online = sorted(node.name for node in facts.nodes.values() if node.online)
        if len(online) < 2:
            return "auto"
        self._read(online, self._stack, [card.name for card in vm.gpus])
        having = [node for node in online if all(node in self._resolve(card.name, [node]).cards for card in vm.gpus)]
        if not having:
            return "auto"
        fitting = replace(facts, nodes={node: facts.nodes[node] for node in having})
        return place([desired], fitting)[0].node

    def _read(self, nodes: Iterable[str], stack: Stack, names: Collection[str]) -> None:
        """Ask the nodes for their devices, and by SSH for their slots where a match names one."""
        new = [node for node in sorted(set(nodes)) if node not in self._rows]
        for node in new:
            try:
                self._rows[node] = api.pci_devices(self._session.pve, node)
            except PermissionDenied as error:
                lines = "\n".join(f"  {line}" for line in pveum_lines([hardware(node)], self._session.token_id))
                raise PermissionsMissing(
                    f"{self._session.token_id} may not see the PCI devices of {node}: {error.message}",
                    where=stack.file,
                    hint=f"grant it on the node, as root:\n{lines}",
                ) from error
        settings = ssh_of(self._session)
        if settings is None or not any(stack.gpus[name].match.slot is not None for name in names):
            return
        from pvekit.adapters.nodessh import Nodes

        with Nodes(settings) as doors:
            for node in [node for node in self._rows if node in settings.nodes and node not in self._slots]:
                done = doors.door(node).attempt(["grep", "-rH", "--include=address", ".", _SLOTS])
                self._slots[node] = read_slots(done.out)

    def _resolve(self, name: str, nodes: Iterable[str]) -> Resolved:
        return resolve(self._stack.gpus[name], {node: self._rows[node] for node in nodes}, self._slots)

    def resolved(self, vms: Sequence[DesiredVm]) -> dict[str, Resolved]:
        """Return what each card means on the nodes of the VMs that have it, by the card's name."""
        used = gpumaps.uses(self._stack, vms)
        self._read({vm.node for holders in used.values() for vm in holders}, self._stack, used)
        return {name: self._resolve(name, dict.fromkeys(vm.node for vm in holders)) for name, holders in used.items()}

    def woven(
        self, plan: Plan, vms: Sequence[DesiredVm], facts: Facts, *, only: Collection[str], restart: bool
    ) -> tuple[Plan, CardWork]:
        """Return the plan with its mappings and proofs, and what they do. Nothing is changed.

        Raises PreflightRefused with every reason, PermissionsMissing.
        """
        session, stack = self._session, self._stack
        resolved = self.resolved(vms)
        if not resolved and not gpumaps.leftover(stack.name, facts.own.values()):
            return plan, CardWork()
        settings = ssh_of(session)
        # What is looked at by SSH tells why it has no IOMMU group; that is judged after this.
        blind = settings is None or any(vm.node not in settings.nodes for vm in vms if stack.vm(vm.name).gpus)
        refused = gpumaps.refusals(stack, vms, resolved, group=blind)
        known = {row.id: row for row in api.pci_mappings(session.pve)}
        # A VM that is not in the stack file any more may still hold a card.
        whole = not only and not facts.strays
        actions, todo, more = gpumaps.mapping_actions(stack, vms, resolved, known, whole=whole)
        if refused or more:
            raise PreflightRefused([*refused, *more])
        plan = replace(plan, actions=(*actions, *plan.actions))
        plan, notes = gpumaps.with_restarts(plan, stack, facts, todo, restart=restart)
        notes += gpumaps.notes(stack, vms, resolved) if not plan.empty else []
        plan = replace(plan, actions=(*plan.actions, *gpumaps.proofs(plan, stack, vms, facts)))
        plan = replace(plan, notes=(*plan.notes, *notes))
        names = {vm.name: tuple(card.name for card in stack.vm(vm.name).gpus) for vm in vms}
        work = CardWork(
            todo=todo,
            cards={
                vm.name: tuple(resolved[name].cards[vm.node] for name in names[vm.name]) for vm in vms if names[vm.name]
            },
            names={vm: cards for vm, cards in names.items() if cards},
            slots=self._slots,
        )
        return gpumaps.woven(plan, stack, vms, todo), work
