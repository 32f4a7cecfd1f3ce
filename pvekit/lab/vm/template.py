"""Turning a VM into a template."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.errors import broken
from pvekit.lab.params import choice
from pvekit.lab.router import route
from pvekit.lab.storage.volumes import parse_volume
from pvekit.lab.tasks import Task
from pvekit.lab.vm.drives import Drive, drives
from pvekit.lab.vm.drivespec import DISK_KEYS
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/template",
    check=may("/vms/{vmid}", "VM.Allocate"),
    params={"disk": choice(*DISK_KEYS)},
)
def template(call: Call) -> str:
    """Make the VM's disks base images and the VM a template."""
    lab, vmid = call.lab, call.vmid
    _demand_convertible(lab, lab.vms.get(vmid, call.node))

    def work(task: Task) -> None:
        with lab.vms.locked(vmid):
            vm = lab.vms.get(vmid)
            _demand_convertible(lab, vm)
            for drive in drives(vm.config):
                if not drive.is_empty and not drive.is_cdrom and not drive.file.startswith("/"):
                    vm = _to_base(lab, vm, drive, task)
            lab.vms.save(vm.with_config(template="1"))

    return lab.tasks.start(lab, "qmtemplate", str(vmid), call.caller.auth_id, work, node=call.node)


def _demand_convertible(lab: Lab, vm: Vm) -> None:
    vm.demand_unlocked()
    if vm.template:
        raise broken("you can't convert a template to a template")
    if vm.snapshots:
        raise broken("unable to create template, because VM contains snapshots")
    if lab.machines.status(vm.vmid) is not None:
        raise broken("you can't convert a VM to template if VM is running")


def _to_base(lab: Lab, vm: Vm, drive: Drive, task: Task) -> Vm:
    volume = parse_volume(drive.file)
    if volume.is_base:
        return vm
    path = lab.storages.path(volume)
    base = path.with_name(path.name.replace("vm-", "base-", 1))
    task.log(f"convert '{volume.id}' to a base image")
    path.rename(base)
    renamed = drive.with_values(file=f"{volume.storage}:{volume.vmid}/{base.name}")
    return lab.vms.save(vm.with_config(**{drive.key: str(renamed)}))
