"""Deleting a VM with its disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.errors import TaskFailed, bad, broken
from pvekit.lab.params import flag
from pvekit.lab.router import route
from pvekit.lab.storage.volumes import Volume, parse_volume
from pvekit.lab.tasks import Task
from pvekit.lab.vm.create import leave_pool
from pvekit.lab.vm.drives import volumes
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab


@route(
    "DELETE", "/nodes/{node}/qemu/{vmid}", check=may("/vms/{vmid}", "VM.Allocate"),
    params={"purge": flag(), "destroy-unreferenced-disks": flag(), "skiplock": flag()},
)  # fmt: skip
def destroy(call: Call) -> str:
    """Delete a stopped VM and every disk that is its own."""
    if call.flag("skiplock") and not call.caller.is_root:
        raise bad(skiplock="Only root may use this option.")
    lab, vmid = call.lab, call.vmid
    vm = lab.vms.get(vmid, call.node)
    _demand_destroyable(lab, vm)
    purge = call.flag("purge")
    unreferenced = call.flag("destroy-unreferenced-disks")

    def work(task: Task) -> None:
        with lab.vms.locked(vmid):
            current = lab.vms.get(vmid, call.node)
            if not call.flag("skiplock"):
                current.demand_unlocked()
            _demand_destroyable(lab, current)
            _destroy(lab, current, task, unreferenced=unreferenced)
        if purge:
            task.log(f"purging VM {vmid} from related configurations..")
            _purge(lab, vmid)

    return lab.tasks.start(lab, "qmdestroy", str(vmid), call.caller.auth_id, work, node=call.node)


def _demand_destroyable(lab: Lab, vm: Vm) -> None:
    if vm.config.get("protection") == "1":
        raise broken(f"can't remove VM {vm.vmid} - protection mode enabled")
    if lab.machines.status(vm.vmid) is not None:
        raise broken(f"VM {vm.vmid} is running - destroy failed")


def owned_volumes(vm: Vm) -> list[Volume]:
    """Return the volumes that belong to the VM, those of its snapshots and pending changes included."""
    named = [*volumes(vm.config).values(), *volumes(vm.pending).values()]
    for snapshot in vm.snapshots.values():
        named += volumes(snapshot.config).values()
    own: dict[str, Volume] = {}
    for volume_id in named:
        if not volume_id.startswith("/"):
            volume = parse_volume(volume_id)
            if volume.vmid == vm.vmid:
                own[volume_id] = volume
    return list(own.values())


def demand_no_clones(lab: Lab, vm: Vm, own: list[Volume]) -> None:
    """Raise if a linked clone still stands on one of the volumes."""
    bases = {volume.name: volume for volume in own if volume.is_base}
    for other in lab.vms.all():
        for volume_id in volumes(other.config).values():
            if other.vmid != vm.vmid and not volume_id.startswith("/"):
                base = parse_volume(volume_id).base
                if base in bases:
                    raise TaskFailed(f"base volume '{bases[base].id}' is still in use by linked cloned")


def _destroy(lab: Lab, vm: Vm, task: Task, *, unreferenced: bool) -> None:
    own = owned_volumes(vm)
    demand_no_clones(lab, vm, own)
    for volume in own:
        if not lab.storages.free(volume):
            task.warn(f"disk image '{lab.storages.path(volume)}' does not exist")
    if unreferenced:
        for volume in lab.storages.images_of(vm.vmid):
            lab.storages.free(volume)
    lab.machines.stop(vm.vmid, task.log)
    lab.vms.forget(vm.vmid)
    leave_pool(lab, vm.vmid)


def _purge(lab: Lab, vmid: int) -> None:
    resources = lab.cluster.get("ha-resources") or {}
    if f"vm:{vmid}" in resources:
        lab.cluster.put("ha-resources", {sid: one for sid, one in resources.items() if sid != f"vm:{vmid}"})
    with lab.accounts.change("acl") as acl:
        acl[:] = [entry for entry in acl if entry["path"] != f"/vms/{vmid}"]
