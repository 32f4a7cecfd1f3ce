"""The host half of GPUs in a stack: looks at the nodes whose cards VMs get, changes them where that is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from pvekit.model.desired import DesiredVm
from pvekit.model.errors import PreflightRefused
from pvekit.model.facts import Facts, VmRow
from pvekit.model.finding import Overall
from pvekit.model.hostchange import ChangeSet
from pvekit.model.hostlook import HostLook, JournalState
from pvekit.model.mark import vm_of
from pvekit.model.pci import Bdf
from pvekit.model.plan import Plan
from pvekit.model.stack import Stack
from pvekit.provision.gpuhost import (
    NodeWork,
    Note,
    Refused,
    Seen,
    Todo,
    Use,
    by_node,
    cards_to_see,
    decide,
    woven,
)
from pvekit.provision.gpus import NO_GROUP, Resolved
from pvekit.workflows.rootstep import ssh_of
from pvekit.workflows.session import Session

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import NodeDoor
    from pvekit.model.bundle import Bundle
    from pvekit.workflows.repair import Repair

TREE = ""
"""A tree on the nodes to work on instead of their own files, for tests."""
BOOT_ID = "/proc/sys/kernel/random/boot_id"
_JOURNALS = "/var/lib/pvekit/passthrough"


@dataclass(frozen=True)
class HostWork:
    """What is done on the nodes of a plan, and what it was concluded from. ``reboot``: nodes may be restarted."""

    nodes: Mapping[str, NodeWork] = field(default_factory=dict)
    repairs: Mapping[str, tuple[Repair, ...]] = field(default_factory=dict)
    reboot: bool = False

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.nodes)


def with_gpu_hosts(
    session: Session,
    plan: Plan,
    vms: Sequence[DesiredVm],
    resolved: Mapping[str, Resolved],
    facts: Facts,
    *,
    reboot: bool = False,
) -> tuple[Plan, HostWork]:
    """Return the plan with what its nodes need before VMs get their cards, and the work. Nothing is changed.

    A node is looked at only when the plan gives one of its cards to a VM, or starts a VM with one. ``reboot`` lets the
    run restart nodes. Raises PreflightRefused with every reason, HostUnreachable, HostKeyMismatch, TaskFailed.
    """
    uses = _uses(session.stack, vms, resolved, facts)
    host = session.stack.host
    seen = cards_to_see(plan, uses)
    if not seen or host is None or session.lab:
        return plan, HostWork()
    configure = host.passthrough == "configure"
    settings = ssh_of(session)
    known = settings.nodes if settings is not None else {}
    blind = [use for use in seen if use.node not in known]
    if blind and configure and not session.offline:
        names = sorted({use.node for use in blind})
        raise PreflightRefused(
            [f"host: passthrough: configure needs SSH to {name}" for name in names],
            hint="Add host: {ssh: {nodes: {NODE: {address: …, host_key: …}}}}, or write passthrough: check.",
        )
    found = _Found(notes=[_unseen(use, session) for use in blind])
    if len(blind) < len(seen):
        from pvekit.adapters.nodessh import Nodes

        assert settings is not None  # noqa: S101 - such nodes come from there
        with Nodes(settings) as doors:
            for node in sorted({use.node for use in seen} & known.keys()):
                own = [use for use in seen if use.node == node]
                found.judge(doors.door(node), own, configure=configure, file=quote(session.stack.file))
                if reboot and any(todo.use.node == node for todo in found.todos):
                    found.refused += no_restart(doors.door(node), session.stack.name, facts.rows)
    if found.refused:
        raise PreflightRefused(list(dict.fromkeys(found.refused)), hint=found.hint)
    plan = replace(plan, notes=(*plan.notes, *dict.fromkeys(found.notes)))
    works = by_node(found.todos)
    if not works:
        return plan, HostWork()
    repairs = {node: tuple(found.repairs.get(node, ())) for node in works if not works[node].resume}
    return woven(plan, works, restart=reboot), HostWork(works, repairs, reboot)


def _uses(stack: Stack, vms: Iterable[DesiredVm], resolved: Mapping[str, Resolved], facts: Facts) -> tuple[Use, ...]:
    """Return the cards that VMs have by the stack file, each where its VM is."""
    found = []
    for vm in vms:
        own = facts.own.get(vm.name)
        for wanted in stack.vm(vm.name).gpus:
            card = resolved[wanted.name].cards.get(vm.node)
            if card is not None:
                device, vmid = Bdf.parse(card.first.address), own.row.vmid if own is not None else None
                rom, grouped = wanted.romfile is not None, card.group != NO_GROUP
                found.append(Use(vm.node, vm.name, wanted.name, device, vmid, rom, grouped, wanted.primary))
    return tuple(found)


def _unseen(use: Use, session: Session) -> str:
    if session.offline:
        return f"{use.vm}: {use}: the node is not looked at"
    return (
        f"{use.vm}: {use}: without host: ssh: the node itself is not looked at. pvekit passthrough diagnose "
        f"root@ADDRESS --device {use.device} tells whether it is ready"
    )


@dataclass(slots=True)
class _Found:
    """What was concluded so far."""

    notes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    todos: list[Todo] = field(default_factory=list)
    repairs: dict[str, list[Repair]] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)

    @property
    def hint(self) -> str:
        """Return where more is told about the causes."""
        more = ", ".join(f"pvekit passthrough explain {check}" for check in dict.fromkeys(self.checks))
        return f"{more} tells more" if more else ""

    def judge(self, door: NodeDoor, uses: Sequence[Use], *, configure: bool, file: str) -> None:
        """Look at one node and judge its cards, each with the changes for those before it in place."""
        evidence, look = look_at(door)
        now = look
        for use in uses:
            seen = see(door, evidence, look, use)
            said = decide(seen, configure=configure, file=file)
            if isinstance(said, Note):
                self.notes.append(said.text)
            elif isinstance(said, Refused):
                self.refused.append(said.text)
                self.checks += [said.check] if said.check else []
            else:
                own = self.repairs.setdefault(use.node, [])
                repair = _repair(evidence, now, use) if said.changes is not None else None
                if repair is not None and (repair.changes.files or not own) and not repair.changes.empty:
                    own.append(repair)
                    now = _after(now, repair.changes)
                    self.todos.append(replace(said, changes=repair.changes))
                    self.notes += [f"{use}: only by hand: {left}" for left in repair.changes.left]
                else:
                    self.todos.append(replace(said, changes=None))


def look_at(door: NodeDoor) -> tuple[Bundle, HostLook]:
    """Ask a node for everything; nothing is changed there."""
    from pvekit.adapters.collect import collect_from
    from pvekit.adapters.hostrepair import OverSsh
    from pvekit.adapters.hostrepair import look as ask

    return collect_from(door), ask(OverSsh(door, TREE))


def _repair(evidence: Bundle, look: HostLook, use: Use) -> Repair:
    """Return what is said about one card, and what would be changed for it."""
    from pvekit.passthrough.asked import Asked
    from pvekit.passthrough.changes import Wish, changes, with_look
    from pvekit.passthrough.facts import Facts as Told
    from pvekit.passthrough.judge import diagnose
    from pvekit.workflows.repair import Repair

    told = Told(with_look(evidence, look), Asked(use.vmid, use.device))
    found = diagnose(told)
    return Repair(found, look, changes(told, found, look, Wish()))


def see(door: NodeDoor, evidence: Bundle, look: HostLook, use: Use) -> Seen:
    """Return what was seen of one card. Asks the node once more only when just its restart may be missing."""
    repair = _repair(evidence, look, use)
    made, found, journal = repair.changes, repair.diagnosis, look.journal
    waits = False
    if found.verdict is Overall.BROKEN and made.empty:
        # Also what somebody wrote by hand may only wait for the restart.
        by_hand = any(text.startswith("KC-03:") for text in made.left)
        ours = journal is not None and journal.phase == "applied"
        waits = _still_to_start(door, journal) if journal is not None and ours else by_hand
    return Seen(use, found, made, journal, _losses(evidence, look, use), waits)


def _losses(evidence: Bundle, look: HostLook, use: Use) -> tuple[str, ...]:
    """Return what the node would lose with the card, all functions of it and its whole IOMMU group.

    A card that is to be the VM's first display is known to leave the node without its screen.
    """
    from pvekit.model.missing import Missing
    from pvekit.passthrough.asked import Asked
    from pvekit.passthrough.blast import Damage, blast
    from pvekit.passthrough.changes import with_look
    from pvekit.passthrough.facts import Facts as Told
    from pvekit.passthrough.facts.cmdline import Cmdline
    from pvekit.passthrough.facts.devices import Devices
    from pvekit.passthrough.facts.groups import IommuGroups
    from pvekit.passthrough.facts.hostuses import HostUses
    from pvekit.passthrough.facts.kernellog import KernelLog
    from pvekit.passthrough.facts.target import Target
    from pvekit.passthrough.members import CONSOLE

    told = Told(with_look(evidence, look), Asked(use.vmid, use.device))
    target = told.get(Target)
    wanted = [use.device] if isinstance(target, Missing) else [device.bdf for device in target.functions]
    found = blast(
        wanted or [use.device], told.get(Devices), told.get(IommuGroups), told.get(HostUses), told.get(KernelLog),
        told.get(Cmdline),
    )  # fmt: skip
    if found.damage is not Damage.LOSES:
        return ()
    consent = ". Write primary: true at the card if the node can go without"
    return tuple(
        f"{loss.text}{consent if loss.kind == CONSOLE else ''}"
        for loss in found.losses
        if loss.sure and not (loss.kind == CONSOLE and use.primary)
    )


def _still_to_start(door: NodeDoor, journal: JournalState) -> bool:
    """Return whether the node was not started since its last change set was done."""
    log = door.attempt(["stat", "-c", "%Y", "--", f"{TREE}{_JOURNALS}/{journal.name}/log"])
    stat = door.attempt(["cat", "--", f"{TREE}/proc/stat"])
    begun = next((line.split()[1] for line in stat.out.splitlines() if line.startswith("btime ")), "")
    done = log.out.strip()
    return done.isdigit() and begun.isdigit() and int(done) >= int(begun)


def _after(look: HostLook, made: ChangeSet) -> HostLook:
    """Return the look as it will be when a change set is done: what the next one on this node starts from."""
    files = {**look.files, **{change.path: change.after for change in made.files}}
    return replace(look, files=files, next=f"{int(look.next) + 1:04d}")


def no_restart(door: NodeDoor, stack: str, rows: Iterable[VmRow]) -> list[str]:
    """Return why a node must not be restarted: it is this machine, or guests run there that are not this stack's."""
    here = Path(BOOT_ID)
    if here.exists() and here.read_text().strip() == door.attempt(["cat", "--", BOOT_ID]).out.strip():
        return [f"pvekit runs on {door.node} itself, and does not restart the machine that it runs on"]
    others = {row.vmid: row.name for row in rows if row.node == door.node and row.running}
    own = {row.vmid for row in rows if vm_of(row.tags, stack) is not None}
    # A token may not see every guest; root on the node does.
    for argv in (["qm", "list"], ["pct", "list"]):
        done = door.attempt(argv)
        if done.rc != 0:
            return [f"{door.node} is not restarted: {' '.join(argv)} does not tell which guests run there"]
        for words in (line.split() for line in done.out.splitlines()):
            if len(words) > 2 and words[0].isdigit() and "running" in words[1:3]:
                name = words[1] if words[1] != "running" else words[-1]
                others.setdefault(int(words[0]), name)
    foreign = sorted(others.keys() - own)
    named = ", ".join(f"{others[vmid]} ({vmid})" for vmid in foreign)
    return [f"{door.node} is not restarted: guests run there that are not of this stack: {named}"] if foreign else []
