"""Changes an existing VM, and asks PVE afterwards which changes wait for a restart."""

from __future__ import annotations

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.event import Event, Kind
from pvekit.model.mark import read, write
from pvekit.model.plan import Action
from pvekit.model.units import parse_pve_size
from pvekit.provision.apply.create import disk_value, grow
from pvekit.provision.apply.job import Job


def configure(job: Job, action: Action, context: Context) -> None:
    """Write the changes with the digest that the plan saw; PVE refuses them if somebody was faster."""
    vm, live = job.vms[action.vm], job.live[action.vm]
    own = job.facts.own[action.vm]
    changes: dict[str, str] = {}
    for change in action.changes:
        if change.after is None:
            continue
        if change.target == "description":
            mark = read(own.config.get("description", ""))
            changes["description"] = write(change.after, mark) if mark else change.after
        elif change.before is None and any(disk.slot == change.target for disk in vm.disks):
            disk = next(disk for disk in vm.disks if disk.slot == change.target)
            changes[change.target] = disk_value(job, vm, disk)
        else:
            changes[change.target] = change.after
    delete = [change.target for change in action.changes if change.after is None]

    def begin() -> str:
        return api.set_config_task(job.pve, live.node, live.vmid, changes, delete=delete, digest=action.digest)

    def done() -> bool:
        return job.read(vm.name).digest != action.digest

    job.task(vm.name, context, begin, done)
    now = job.read(vm.name)
    waiting = sorted({*now.pending, *now.removed} & {change.target for change in action.changes})
    if waiting and own.row.running:
        text = f"{', '.join(waiting)} wait for a restart (pvekit restart {vm.name})"
        job.emit(Event(Kind.NOTE, vm.name, "configure", text))


def resize(job: Job, action: Action, context: Context) -> None:
    """Grow a disk."""
    (change,) = action.changes
    assert change.after is not None  # noqa: S101 - a size is never removed
    grow(job, action.vm, change.target, parse_pve_size(change.after), context)
