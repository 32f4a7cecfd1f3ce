"""What a look at a node means for a VM that is to get a card there: go on, refuse, or change the node first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pvekit.model.finding import Diagnosis, Finding, Layer, Overall, RootCause
from pvekit.model.hostchange import ChangeSet
from pvekit.model.hostlook import JournalState
from pvekit.model.pci import Bdf
from pvekit.model.plan import Action, Change, Effect, Plan, Verb

AFTERWARDS = "afterwards"
"""The target of the change that names the commands which follow the files."""
_STARTING = frozenset({Verb.CREATE, Verb.INSTALL, Verb.START, Verb.RESTART})
_OF_THE_VM = frozenset({Layer.VM, Layer.GUEST})
_SHARED = frozenset({Verb.IMAGE, Verb.ROOT, Verb.HOSTGPU})


@dataclass(frozen=True, slots=True)
class Use:
    """A card that a VM gets: its name in the stack file, and its address on the node.

    ``vmid`` is the VM's number when it exists, ``romfile``: the VM is given a ROM of its own, ``grouped``: Proxmox VE
    tells an IOMMU group for the card. ``primary``: it is the VM's first display, so its screen is the VM's.
    """

    node: str
    vm: str
    gpu: str
    device: Bdf
    vmid: int | None = None
    romfile: bool = False
    grouped: bool = True
    primary: bool = False

    def __str__(self) -> str:
        """Return the card as messages name it."""
        return f"{self.gpu} ({self.device} on {self.node})"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a card and its node.

    ``losses`` is what the node would lose with it. ``waits``: everything is changed, and the node was not started
    since.
    """

    use: Use
    diagnosis: Diagnosis
    changes: ChangeSet
    journal: JournalState | None = None
    losses: tuple[str, ...] = ()
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Nothing is in the way; a line for the reader."""

    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The VM cannot get the card, and pvekit does not change that."""

    text: str
    check: str = ""


@dataclass(frozen=True, slots=True)
class Todo:
    """The node has to be changed (or an earlier change gone on with), and restarted. Neither: only restarted."""

    use: Use
    why: str
    changes: ChangeSet | None = None
    resume: str = ""


def cards_to_see(plan: Plan, uses: Iterable[Use]) -> tuple[Use, ...]:
    """Return the cards that a plan gives to a VM or starts a VM with; all others were seen to work already."""
    return tuple(use for use in uses if any(_touches(action) for action in plan.of(use.vm)))


def _touches(action: Action) -> bool:
    return action.verb in _STARTING or any(change.target.startswith("hostpci") for change in action.changes)


def decide(seen: Seen, *, configure: bool, file: str) -> Note | Refused | Todo:
    """Return what follows from a look. ``file`` is the stack file, for the commands that are named."""
    said = _decided(seen, configure=configure, file=file)
    if isinstance(said, Note) and not seen.use.grouped:
        # No guess helps here: the VM would not start.
        use = seen.use
        return Refused(
            f"{use.vm} cannot get {use}: Proxmox VE tells no IOMMU group for it, and the cause is not certain\n"
            f"  next: {_command('diagnose', seen, file)}"
        )
    return said


def _decided(seen: Seen, *, configure: bool, file: str) -> Note | Refused | Todo:
    use, found, journal = seen.use, seen.diagnosis, seen.journal
    if seen.losses:
        lost = "".join(f"\n  {text}" for text in seen.losses)
        return Refused(
            f"{use.vm} cannot get {use}: the node would lose what it needs{lost}\n"
            f"  next: move the card to another slot, or what the node needs: {_command('diagnose', seen, file)}"
        )
    cause = found.root_cause
    if found.verdict is Overall.HEALTHY:
        return Note(f"{use.vm}: {use}: {_proof(found)}{_open_trial(seen, file)}")
    if journal is not None and journal.open:
        return _unfinished(seen, journal, configure=configure, file=file)
    if found.verdict is Overall.UNKNOWN or cause is None:
        missing = f"; {', '.join(found.missing)} would tell more" if found.missing else ""
        return Note(f"{use.vm}: {use}: whether the node is ready is not certain{missing}. The proof is the VM itself")
    if cause.layer in _OF_THE_VM or (cause.layer is Layer.ROM and use.romfile):
        return Note(f"{use.vm}: {use}: of the VM as it is now: {_named(cause)}")
    if seen.waits:
        return Todo(use, f"{_named(cause)}: everything is changed, the restart is missing")
    if seen.changes.empty or _by_hand(cause, seen.changes):
        return _refused(seen, cause, _remedy(found, cause, seen.changes))
    if not configure:
        show, make = _command("plan", seen, file), _command("apply", seen, file)
        text = f"{show}\n        {make}\n        or write passthrough: configure below host, and pvekit up does it"
        return _refused(seen, cause, text)
    return Todo(use, f"{_named(cause)}: {cause.why}", seen.changes)


def _proof(found: Diagnosis) -> str:
    passed = sum(finding.verdict.value == "pass" for finding in found.findings)
    return f"every layer that passthrough needs is proven ({passed} checks passed)"


def _open_trial(seen: Seen, file: str) -> str:
    if seen.journal is None or seen.journal.phase != "trial":
        return ""
    return f". It is a trial boot: pvekit passthrough confirm {seen.use.node} -s {file} keeps it"


def _unfinished(seen: Seen, journal: JournalState, *, configure: bool, file: str) -> Refused | Todo:
    use = seen.use
    told = f"the change set {journal.name} on {use.node} is not finished ({journal.phase})"
    if journal.phase in ("applying", "confirming"):
        if configure:
            return Todo(use, f"{told}: it goes on from there", resume=journal.name)
        verb = f"pvekit passthrough apply {use.node} -s {file} goes on, or rollback takes it back"
    elif journal.phase == "trial":
        verb = (
            f"restart the node; then pvekit passthrough confirm {use.node} -s {file} keeps it, rollback takes it back"
        )
    else:
        verb = f"pvekit passthrough rollback {use.node} -s {file} goes on from there"
    return Refused(f"{use.vm} cannot get {use}: {told}\n  next: {verb}")


def _by_hand(cause: RootCause, changes: ChangeSet) -> bool:
    """Return whether the cause itself is among what only a person can change."""
    return any(text.startswith(f"{cause.id}:") for text in changes.left)


def _remedy(found: Diagnosis, cause: RootCause, changes: ChangeSet) -> str:
    remedy = _finding(found, cause).remedy
    text = remedy.text if remedy is not None else ""
    own = [left for left in changes.left if not (text and text in left)]
    return "; ".join([*([text] if text else []), *own]) or f"pvekit passthrough explain {cause.id}"


def _finding(found: Diagnosis, cause: RootCause) -> Finding:
    return next(finding for finding in found.findings if finding.id == cause.id)


def _refused(seen: Seen, cause: RootCause, following: str) -> Refused:
    use, evidence = seen.use, _finding(seen.diagnosis, cause).evidence
    lines = [f"{use.vm} cannot get {use}: {_named(cause)}", f"  {cause.why}"]
    lines += [f"  {line}" for line in evidence[:1]]
    return Refused("\n".join([*lines, f"  next: {following}"]), cause.id)


def _named(cause: RootCause) -> str:
    return f"{cause.title} ({cause.id}, {cause.layer.value})"


def _command(verb: str, seen: Seen, file: str) -> str:
    return f"pvekit passthrough {verb} {seen.use.node} -s {file} --device {seen.use.device}"


# The plan


@dataclass(frozen=True, slots=True)
class NodeWork:
    """All that is done on one node, in turn: going on with a change set, further ones, the restart."""

    node: str
    todos: tuple[Todo, ...]

    @property
    def vms(self) -> tuple[str, ...]:
        """Return the VMs that wait for it."""
        return tuple(dict.fromkeys(todo.use.vm for todo in self.todos))

    @property
    def resume(self) -> str:
        """Return the change set to go on with; empty when there is none."""
        return next((todo.resume for todo in self.todos if todo.resume), "")


def action_id(node: str) -> str:
    """Return the id of the action of a node."""
    return f"gpuhost:{node}"


def by_node(todos: Iterable[Todo]) -> dict[str, NodeWork]:
    """Return the work of each node. While a change set is to be gone on with, nothing further is begun there."""
    found: dict[str, list[Todo]] = {}
    for todo in todos:
        found.setdefault(todo.use.node, []).append(todo)
    works = {}
    for node, own in found.items():
        resuming = [todo for todo in own if todo.resume]
        works[node] = NodeWork(node, tuple(replace(todo, changes=None) for todo in own) if resuming else tuple(own))
    return works


def woven(plan: Plan, works: Mapping[str, NodeWork], *, restart: bool) -> Plan:
    """Return the plan with the nodes' actions first.

    What a VM with a card needs waits for its node. When nodes are restarted (``restart``), they are so one after the
    other, and everything else comes after: the API itself may be gone meanwhile.
    """
    hosts: list[Action] = []
    for node, work in sorted(works.items()):
        needs = (hosts[-1].id,) if hosts and restart else ()
        hosts.append(_action(node, work, needs, restart=restart))
    actions = plan.actions
    for node, work in works.items():
        actions = _gated(actions, work.vms, action_id(node))
    if restart and hosts:
        last, ids = hosts[-1].id, {host.id for host in hosts}
        actions = tuple(
            replace(a, needs=tuple(dict.fromkeys([*a.needs, last]))) if set(a.needs) <= ids else a for a in actions
        )
    return replace(plan, actions=(*hosts, *actions))


def _gated(actions: Sequence[Action], vms: Iterable[str], gate: str) -> tuple[Action, ...]:
    """Return the actions so that those of the VMs, and what only they need, come after the gate."""
    waiting = {action.id for action in actions if action.vm in vms}
    needed = {need for action in actions if action.id in waiting for need in action.needs}
    waiting |= {a.id for a in actions if a.id in needed and not a.vm and a.verb not in _SHARED}
    return tuple(
        replace(a, needs=tuple(dict.fromkeys([*a.needs, gate])))
        if a.id in waiting and not waiting & set(a.needs)
        else a
        for a in actions
    )


def _action(node: str, work: NodeWork, needs: tuple[str, ...], *, restart: bool) -> Action:
    changes = [todo.changes for todo in work.todos if todo.changes is not None]
    files = [
        Change(change.path, change.before, change.after, Effect.RESTART) for made in changes for change in made.files
    ]
    steps = [" ".join(step.argv) for made in changes for step in made.steps]
    if steps:
        files.append(Change(AFTERWARDS, None, "; ".join(dict.fromkeys(steps)), Effect.RESTART))
    risks = dict.fromkeys(
        text for made in changes for text in (*made.risks, *(change.risk for change in made.files)) if text
    )
    after = (
        f"{node} is restarted, with all that runs there"
        if restart
        else f"{node} has to be restarted afterwards (pvekit up --reboot-nodes does it); {_listed(work.vms)} waits"
    )
    why = "; ".join(dict.fromkeys(todo.why for todo in work.todos))
    return Action(action_id(node), Verb.HOSTGPU, "", tuple(files), needs, why, "; ".join([*risks, after]))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
