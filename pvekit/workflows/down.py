"""Removes a stack: only VMs that carry its tags, and every volume is named beforehand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from pvekit import engine, guests
from pvekit.adapters import pve as api
from pvekit.engine import Context, Outcome, Step
from pvekit.model.errors import Conflict, NotFound, PvekitError, TaskFailed
from pvekit.model.event import Emit
from pvekit.model.facts import VmRow
from pvekit.model.mark import vm_of
from pvekit.model.properties import Disk, PropertyInvalid
from pvekit.provision.apply.seed import prefix
from pvekit.provision.facts import read_facts
from pvekit.workflows.session import Session

_DRIVES = frozenset({"scsi", "virtio", "sata", "ide", "efidisk", "tpmstate", "unused"})
SHUTDOWN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Doomed:
    """One VM that would be removed: the volumes that are freed, those that stay, and why each stays."""

    vm: str
    row: VmRow
    protected: bool
    freed: tuple[str, ...]
    kept: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Removal:
    """What ``down`` would do. ``seeds`` are left-over seed ISOs, by node."""

    stack: str
    vms: tuple[Doomed, ...]
    seeds: tuple[tuple[str, str], ...] = field(default=())

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to remove."""
        return not self.vms and not self.seeds


def plan_removal(session: Session, *, only: Collection[str] = ()) -> Removal:
    """Return what would be removed. Nothing is touched."""
    stack = session.stack.name
    names = [vm.name for vm in session.stack.vms]
    facts = read_facts(session.pve, stack, names)
    rows = {name: own.row for name, own in facts.own.items()} | dict(facts.strays)
    unknown = sorted(set(only) - rows.keys())
    if unknown:
        raise PvekitError(
            f"no VM of stack {stack} is called {', '.join(unknown)}",
            hint=f"There are: {', '.join(sorted(rows)) or 'none'}",
        )
    chosen = {name: row for name, row in rows.items() if not only or name in only}
    doomed = tuple(_doomed(session, name, row) for name, row in sorted(chosen.items()))
    return Removal(stack, doomed, _seeds(session, chosen))


def _doomed(session: Session, name: str, row: VmRow) -> Doomed:
    config = api.pending(session.pve, row.node, row.vmid).current
    freed: list[str] = []
    kept: list[tuple[str, str]] = []
    for key, value in sorted(config.items()):
        if key.rstrip("0123456789") not in _DRIVES:
            continue
        volume = _volume(value)
        if volume in ("", "none", "cdrom"):
            continue
        if volume.startswith("/"):
            kept.append((volume, "a device or file of the host: only detached"))
        elif "media=cdrom" in value and f":{row.vmid}/" not in volume and "cloudinit" not in volume:
            kept.append((volume, "an ISO: only ejected"))
        elif _owned(volume, row.vmid):
            freed.append(volume)
        else:
            kept.append((volume, "belongs to another VM: only detached"))
    return Doomed(name, row, config.get("protection", "0") == "1", tuple(freed), tuple(kept))


def _volume(value: str) -> str:
    try:
        return Disk.parse(value).volume or ""
    except PropertyInvalid:
        return value.partition(",")[0]


def _owned(volume: str, vmid: int) -> bool:
    """Return whether PVE counts a volume as this VM's: by the VMID in its name (pve-storage, parse_volname)."""
    return f"vm-{vmid}-" in volume or f"base-{vmid}-" in volume


def _seeds(session: Session, rows: Mapping[str, VmRow]) -> tuple[tuple[str, str], ...]:
    found: set[tuple[str, str]] = set()
    storages = {vm.name: guests.desired(session.stack, vm).iso_storage for vm in session.stack.vms}
    for name, row in rows.items():
        if name not in storages:
            continue
        start = f"{storages[name]}:iso/{prefix(session.stack.name, name)}"
        for volume in api.content(session.pve, row.node, storages[name], "iso"):
            if volume.volid.startswith(start):
                found.add((row.node, volume.volid))
    return tuple(sorted(found))


def remove(session: Session, removal: Removal, emit: Emit, *, unprotect: bool = False) -> tuple[Outcome, ...]:
    """Remove what was planned. Raises Conflict when a VM is protected and ``unprotect`` is not given."""
    protected = [doomed.vm for doomed in removal.vms if doomed.protected]
    if protected and not unprotect:
        raise Conflict(
            f"protected: {', '.join(protected)}",
            status=0,
            hint="Add --unprotect to lift the protection and remove them.",
        )
    with api.TaskPoller(session.pve) as poller:
        steps = [
            Step(f"{doomed.vm}:remove", doomed.vm, "remove", _remover(session, poller, doomed), limits=("node",))
            for doomed in removal.vms
        ]
        steps += [
            Step(
                f"seed:{volid}",
                "",
                f"delete {volid}",
                _unseeder(session, poller, node, volid),
                tuple(s.id for s in steps),
            )
            for node, volid in removal.seeds
        ]
        return engine.run(steps, limits={"node": 4}, emit=emit, stop=threading.Event())


def _remover(session: Session, poller: api.TaskPoller, doomed: Doomed) -> Callable[[Context], None]:
    pve, row = session.pve, doomed.row

    def still_ours() -> bool:
        now = api.resources(pve).vm(row.vmid)
        return now is not None and vm_of(frozenset(now.tags), session.stack.name) == doomed.vm

    def run(context: Context) -> None:
        # Between the question and the answer somebody may have changed whose VM this is.
        if not still_ours():
            context.log("is gone already, or carries the stack's tags no more")
            return
        if str(api.status(pve, row.node, row.vmid).get("status")) == "running":
            _task(
                poller, context, _settled(lambda: api.stop(pve, row.node, row.vmid), lambda: not _running(session, row))
            )
        if doomed.protected:
            api.set_config(pve, row.node, row.vmid, {"protection": "0"})
        _task(poller, context, _settled(lambda: api.delete_vm(pve, row.node, row.vmid), lambda: not still_ours()))

    return run


def _running(session: Session, row: VmRow) -> bool:
    return str(api.status(session.pve, row.node, row.vmid).get("status")) == "running"


def _settled(begin: Callable[[], str], done: Callable[[], bool]) -> str | None:
    return api.settle(begin, done)


def _task(poller: api.TaskPoller, context: Context, upid: str | None) -> None:
    if not upid:
        return
    result = poller.wait(upid, context.log)
    if not result.ok:
        raise TaskFailed(f"{result.exitstatus}\n{result.tail()}", where=upid)


def _unseeder(session: Session, poller: api.TaskPoller, node: str, volid: str) -> Callable[[Context], None]:
    def run(context: Context) -> None:
        try:
            _task(poller, context, api.delete_volume(session.pve, node, volid))
        except NotFound:
            context.log("is gone already")

    return run
