"""Removes a stack: only VMs that carry its tags, and every volume is named beforehand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from pvekit import engine, guests
from pvekit.adapters import pve as api
from pvekit.engine import Context, Fate, Outcome, Step
from pvekit.model.errors import Conflict, PvekitError, TaskFailed
from pvekit.model.event import Emit
from pvekit.model.facts import Facts, VmRow
from pvekit.model.mark import vm_of
from pvekit.model.pcimap import is_ours
from pvekit.model.properties import Disk, PropertyInvalid
from pvekit.provision.apply.seed import prefix
from pvekit.provision.facts import read_facts
from pvekit.provision.rootstep.keys import raw_slots
from pvekit.provision.rootstep.todo import Take
from pvekit.workflows import gpurecord
from pvekit.workflows.rootundo import undoing, what_to_undo
from pvekit.workflows.session import Session

_DRIVES = frozenset({"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate", "unused"})
SHUTDOWN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Doomed:
    """One VM that would be removed: the volumes that are freed, those that stay, and why each stays.

    ``in_file`` is whether the stack file still has it, ``detached`` are the slots of devices and files of the node.
    """

    vm: str
    row: VmRow
    protected: bool
    freed: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]
    in_file: bool = True
    detached: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """What ``down`` would do. ``seeds`` are left-over seed ISOs, by node, ``undone`` is the root step's work there.

    ``notes`` tell what stays on the nodes, ``mappings`` are the resource mappings of the stack's cards.
    """

    stack: str
    vms: tuple[Doomed, ...]
    seeds: tuple[tuple[str, str], ...] = field(default=())
    undone: tuple[Take, ...] = field(default=())
    notes: tuple[str, ...] = ()
    mappings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to remove."""
        return not self.vms and not self.seeds and not self.undone and not self.mappings


def plan_removal(session: Session, *, only: Collection[str] = ()) -> Removal:
    """Return what would be removed. Nothing is touched.

    VMs that carry the stack's tags but are not in the stack file any more belong to it as well.
    """
    stack = session.stack.name
    names = [vm.name for vm in session.stack.vms]
    facts = read_facts(session.pve, stack, names)
    rows = {name: own.row for name, own in facts.own.items()} | dict(facts.strays)
    unknown = sorted(set(only) - rows.keys() - set(names))
    if unknown:
        raise PvekitError(
            f"no VM of stack {stack} is called {', '.join(unknown)}",
            hint=f"There are: {', '.join(sorted(rows)) or 'none'}",
        )
    chosen = {name: row for name, row in rows.items() if not only or name in only}
    seeds = _seeds(session, facts, only)
    known = frozenset(volid for _, volid in seeds)
    doomed = tuple(_doomed(session, name, row, known) for name, row in sorted(chosen.items()))
    notes = () if only else gpurecord.told(stack, session.stack.file)
    mappings = _mappings(session, rows.keys() - chosen.keys())
    return Removal(stack, doomed, seeds, what_to_undo(session, only=only), notes, mappings)


def _mappings(session: Session, staying: Collection[str]) -> tuple[str, ...]:
    """Return the resource mappings that pvekit made for the stack; none while a VM of the stack stays."""
    if staying:
        return ()
    stack = session.stack.name
    return tuple(row.id for row in api.pci_mappings(session.pve) if is_ours(stack, row.description))


def _doomed(session: Session, name: str, row: VmRow, seeds: Collection[str]) -> Doomed:
    config = api.pending(session.pve, row.node, row.vmid).current
    freed: list[str] = []
    kept: list[tuple[str, str]] = []
    for key, value in sorted(config.items()):
        if key.rstrip("0123456789") not in _DRIVES:
            continue
        volume = _volume(value)
        if volume in ("", "none", "cdrom") or volume in seeds:
            continue
        if volume.startswith("/"):
            kept.append((volume, "a device or file of the host: only detached"))
        elif "media=cdrom" in value and f":{row.vmid}/" not in volume and "cloudinit" not in volume:
            kept.append((volume, "an ISO: only ejected"))
        elif _owned(volume, row.vmid):
            freed.append(volume)
        else:
            kept.append((volume, "belongs to another VM: only detached"))
    in_file = any(vm.name == name for vm in session.stack.vms)
    protected = config.get("protection", "0") == "1"
    return Doomed(name, row, protected, tuple(freed), tuple(kept), in_file, raw_slots(config))


def _volume(value: str) -> str:
    try:
        return Disk.parse(value).volume or ""
    except PropertyInvalid:
        return value.partition(",")[0]


def _owned(volume: str, vmid: int) -> bool:
    """Return whether PVE counts a volume as this VM's: by the VMID in its name (pve-storage, parse_volname)."""
    return f"vm-{vmid}-" in volume or f"base-{vmid}-" in volume


def _is_seed(volume: str, stack: str, vm: str) -> bool:
    return f":iso/{prefix(stack, vm)}" in volume


def _seeds(session: Session, facts: Facts, only: Collection[str]) -> tuple[tuple[str, str], ...]:
    """Return the seeds that interrupted runs left: attached or not, and also of VMs that were never created."""
    stack = session.stack
    names = {guests.desired(stack, vm).iso_storage for vm in stack.vms}
    places: dict[tuple[str, str], str] = {}
    for found in facts.storages:
        node = facts.nodes.get(found.node)
        if found.name in names and found.active and node is not None and node.online:
            places.setdefault((found.name, "" if found.shared else found.node), found.node)
    starts = [prefix(stack.name, name) for name in only] or [prefix(stack.name, "").removesuffix(".")]
    return tuple(
        sorted(
            (node, volume.volid)
            for (storage, _), node in places.items()
            for volume in api.content(session.pve, node, storage, "iso")
            if volume.volid.partition(":iso/")[2].startswith(tuple(starts))
        )
    )


def check_protection(removal: Removal, *, unprotect: bool) -> None:
    """Raise Conflict when a VM is protected and ``unprotect`` is not given."""
    protected = [doomed.vm for doomed in removal.vms if doomed.protected]
    if protected and not unprotect:
        raise Conflict(
            f"protected: {', '.join(protected)}; nothing was removed",
            status=0,
            hint="Add --unprotect to lift the protection and remove them, or --only to remove others.",
        )


def remove(
    session: Session,
    removal: Removal,
    emit: Emit,
    *,
    unprotect: bool = False,
    stop: threading.Event | None = None,
) -> tuple[Outcome, ...]:
    """Remove what was planned. Raises Conflict when a VM is protected and ``unprotect`` is not given."""
    check_protection(removal, unprotect=unprotect)
    with api.TaskPoller(session.pve) as poller, undoing(session, removal.undone) as undo:
        # A schedule goes before its VM, what concerns a node goes when its VMs are gone.
        steps = [*undo.steps(removal.undone, tuple(f"{doomed.vm}:remove" for doomed in removal.vms))]
        steps += [
            Step(
                f"{doomed.vm}:remove",
                doomed.vm,
                "remove",
                _remover(session, poller, doomed),
                undo.before(removal.undone, doomed.vm),
                limits=("node",),
            )
            for doomed in removal.vms
        ]
        steps += [
            Step(
                f"seed:{node}:{volid}",
                "",
                f"delete {volid}",
                _unseeder(session, poller, node, volid),
                # It may be attached until its VM is gone.
                tuple(f"{d.vm}:remove" for d in removal.vms if _is_seed(volid, removal.stack, d.vm)),
            )
            for node, volid in removal.seeds
        ]
        steps += [
            Step(
                f"mapping:{name}",
                "",
                f"delete the resource mapping {name}",
                _unmapper(session, name),
                tuple(f"{doomed.vm}:remove" for doomed in removal.vms),
            )
            for name in removal.mappings
        ]
        outcomes = engine.run(steps, limits={"node": 4}, emit=emit, stop=stop or threading.Event())
    if removal.notes and all(outcome.fate is Fate.DONE for outcome in outcomes):
        gpurecord.forget(removal.stack)
    return outcomes


def _remover(session: Session, poller: api.TaskPoller, doomed: Doomed) -> Callable[[Context], None]:
    pve, row = session.pve, doomed.row

    def still_ours() -> bool:
        now = api.resources(pve).vm(row.vmid)
        return now is not None and vm_of(frozenset(now.tags), session.stack.name) == doomed.vm

    def running() -> bool:
        return str(api.status(pve, row.node, row.vmid).get("status")) == "running"

    def run(context: Context) -> None:
        # Between the question and the answer somebody may have changed whose VM this is.
        if not still_ours():
            context.log("is gone already, or carries the stack's tags no more")
            return
        if running():
            _task(poller, context, doomed, lambda: api.stop(pve, row.node, row.vmid), lambda: not running())
        if doomed.protected:
            api.set_config(pve, row.node, row.vmid, {"protection": "0"})
        if doomed.detached:
            # PVE leaves such disks alone when it destroys a VM; they are out of its reach all the same.
            _detach(pve, doomed)
        _task(poller, context, doomed, lambda: api.delete_vm(pve, row.node, row.vmid), lambda: not still_ours())

    return run


def _unmapper(session: Session, name: str) -> Callable[[Context], None]:
    def there() -> bool:
        rows = api.pci_mappings(session.pve)
        return any(row.id == name and is_ours(session.stack.name, row.description) for row in rows)

    def run(context: Context) -> None:
        if not there():
            context.log("is gone already, or is the stack's no more")
            return
        api.settle(lambda: api.delete_mapping(session.pve, name), lambda: not there())

    return run


def _detach(pve: api.Pve, doomed: Doomed) -> None:
    """Take devices of the node out of the configuration; the boot order keeps what is left of it."""
    row = doomed.row
    now = api.pending(pve, row.node, row.vmid)
    slots = [slot for slot in doomed.detached if slot in now.current]
    if slots:
        api.set_config(pve, row.node, row.vmid, {}, delete=slots, digest=now.digest)


def _task(
    poller: api.TaskPoller, context: Context, doomed: Doomed, begin: Callable[[], str], done: Callable[[], bool]
) -> None:
    """Begin a task and wait for it; one whose answer was lost is looked for first. Raises TaskFailed."""
    upid = api.settle(begin, done)
    if not upid:
        return
    result = poller.wait(upid, context.log)
    if not result.ok and not done():
        raise TaskFailed(
            f"{result.exitstatus}\n{result.tail()}".strip(),
            where=f"{doomed.vm} (VMID {doomed.row.vmid}): {api.parse_upid(upid).type}",
            hint=f"The whole log is on the node under {upid}. Then run pvekit down again.",
        )


def _unseeder(session: Session, poller: api.TaskPoller, node: str, volid: str) -> Callable[[Context], None]:
    def gone() -> bool:
        found = api.content(session.pve, node, volid.partition(":")[0], "iso")
        return all(volume.volid != volid for volume in found)

    def run(context: Context) -> None:
        if gone():
            context.log("is gone already")
            return
        upid = api.settle(lambda: api.delete_volume(session.pve, node, volid), gone)
        result = poller.wait(upid, context.log) if upid else None
        # Nodes may share the folder behind a storage that PVE does not know to be shared.
        if result is not None and not result.ok and not gone():
            raise TaskFailed(f"{result.exitstatus}\n{result.tail()}".strip(), where=volid)

    return run
