"""Changing single disks: growing, moving, giving to another VM, unlinking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pvekit.lab import formats
from pvekit.lab.access.permissions import demand, may
from pvekit.lab.call import Call
from pvekit.lab.errors import TaskFailed, bad, broken
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.storage.volumes import parse_volume, size_bytes, size_text
from pvekit.lab.tasks import Task
from pvekit.lab.vm.allocate import Allocator
from pvekit.lab.vm.change import Change, apply_change
from pvekit.lab.vm.drives import Drive, drive_of, next_unused
from pvekit.lab.vm.drivespec import DISK_KEYS, UNUSED_KEYS

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab
    from pvekit.lab.vm.vms import Vm


def _drive(vm: Vm, key: str) -> Drive | None:
    return drive_of(key, vm.config[key]) if key in vm.config else None


@route(
    "PUT",
    "/nodes/{node}/qemu/{vmid}/resize",
    check=may("/vms/{vmid}", "VM.Config.Disk"),
    params={
        "disk": choice(*DISK_KEYS).needed(),
        "size": text(pattern=r"\+?\d+(\.\d+)?[KMGT]?", required=True),
        "digest": text(longest=40),
        "skiplock": flag(),
    },
)
def resize(call: Call) -> str:
    """Grow a disk to a size, or by one."""
    lab, vmid = call.lab, call.vmid
    lab.vms.get(vmid, call.node)

    def work(task: Task) -> None:
        with lab.vms.locked(vmid):
            vm = lab.vms.get(vmid)
            vm.demand_digest(call.get("digest"))
            vm.demand_unlocked()
            _grow(lab, vm, call.get("disk"), call.get("size"), task)

    return lab.tasks.start(lab, "resize", str(vmid), call.caller.auth_id, work, node=call.node)


def _grow(lab: Lab, vm: Vm, key: str, wanted: str, task: Task) -> None:
    drive = _drive(vm, key)
    if drive is None:
        raise TaskFailed(f"disk '{key}' does not exist")
    if drive.is_empty:
        raise TaskFailed(f"unable to parse volume ID '{drive.file}'")
    if drive.is_cdrom:
        raise TaskFailed("you can't resize a cdrom")
    path = lab.storages.path_of(drive.file)
    now = lab.storages.size_of(drive.file)
    goal = now + size_bytes(wanted[1:]) if wanted.startswith("+") else size_bytes(wanted)
    if goal < now:
        raise TaskFailed("shrinking disks is not supported")
    if goal == now:
        return
    lab.disks.resize(path, goal)
    if lab.machines.status(vm.vmid) is None:
        task.log("Image resized.")
    else:
        lab.machines.grow(vm.vmid, key, goal)
    lab.vms.save(vm.with_config(**{key: str(drive.with_values(size=size_text(goal)))}))


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/move_disk",
    check=may("/vms/{vmid}", "VM.Config.Disk"),
    params={
        "disk": choice(*DISK_KEYS, *UNUSED_KEYS).needed(),
        "storage": text(check=formats.storage_id),
        "format": choice("raw", "qcow2", "vmdk"),
        "delete": flag(),
        "digest": text(longest=40),
        "bwlimit": integer(0),
        "target-vmid": integer(check=formats.vmid),
        "target-disk": choice(*DISK_KEYS, *UNUSED_KEYS),
        "target-digest": text(longest=40),
    },
)
def move_disk(call: Call) -> str:
    """Move a disk to another storage, or give it to another VM."""
    if "target-vmid" in call.params:
        return _reassign(call)
    lab, vmid, key, storage = call.lab, call.vmid, call.get("disk"), call.get("storage")
    if not storage:
        raise bad(storage="target-vmid or storage is required")
    vm = lab.vms.get(vmid, call.node)
    vm.demand_unlocked()
    vm.demand_digest(call.get("digest"))
    drive = _movable(call, vm, key)
    lab.storages.config(storage)
    demand(lab, call.caller, f"/storage/{storage}", "Datastore.AllocateSpace")
    kept = str(lab.disks.info(lab.storages.path_of(drive.file))["format"])
    fmt = call.get("format") or kept
    if storage == parse_volume(drive.file).storage and fmt == kept:
        raise broken("you can't move to the same storage with same format")
    delete = call.flag("delete")
    return lab.tasks.start(
        lab, "qmmove", str(vmid), call.caller.auth_id,
        lambda task: _move(lab, task, vmid, key, storage, fmt, delete=delete), node=call.node,
    )  # fmt: skip


def _movable(call: Call, vm: Vm, key: str) -> Drive:
    drive = _drive(vm, key)
    if drive is None:
        raise broken(f"disk '{key}' does not exist")
    if drive.is_empty or drive.is_cdrom:
        raise broken("you can't move a cdrom")
    if call.lab.machines.status(vm.vmid) is not None:
        raise broken("moving a disk of a running VM is not supported by the embedded node")
    return drive


def _move(lab: Lab, task: Task, vmid: int, key: str, storage: str, fmt: str, *, delete: bool) -> None:
    with lab.vms.locked(vmid):
        vm = lab.vms.get(vmid)
        drive = _drive(vm, key)
        if drive is None:
            raise TaskFailed(f"disk '{key}' does not exist")
        old = parse_volume(drive.file)
        task.log(f"copying volume '{old.id}' from current storage '{old.storage}' to target storage '{storage}'")
        task.log(f"create full clone of drive {key} ({old.id})")
        allocator = Allocator(lab, vmid, task.log, lambda volume: task.undo("volume", volume=volume.id))
        volume, _path = allocator.copy(lab.storages.path(old), storage, fmt)
        vm = vm.with_config(**{key: str(drive.with_values(file=volume.id))})
        if not delete:
            unused = next_unused(vm.config)
            task.log(f"adding source volume '{old.id}' as '{unused}' to config")
            vm = vm.with_config(**{unused: old.id})
        lab.vms.save(vm)
        task.keep()
        if delete:
            lab.storages.free(old)


def _reassign(call: Call) -> str:
    lab, key, target = call.lab, call.get("disk"), call.number("target-vmid")
    goal = call.get("target-disk") or key
    demand(lab, call.caller, f"/vms/{target}", "VM.Config.Disk")
    vm, other = lab.vms.get(call.vmid, call.node), lab.vms.get(target)
    if target == call.vmid:
        raise broken("'vmid' and 'target-vmid' must be different")
    for one, digest in ((vm, call.get("digest")), (other, call.get("target-digest"))):
        one.demand_unlocked()
        one.demand_digest(digest)
    drive = _movable(call, vm, key)
    if goal in other.config:
        raise broken(f"Target disk key '{goal}' is already in use for target VM '{target}'")
    kind = "unused" if goal.startswith("unused") else "disk"

    def work(task: Task) -> None:
        task.log(f"reassign disk '{key}' from VM '{vm.vmid}' as '{goal}' to VM '{target}'")
        task.log(f"removing disk '{key}' from VM '{vm.vmid}' config")
        first, second = sorted((vm.vmid, target))
        with lab.vms.locked(first), lab.vms.locked(second):
            old = parse_volume(drive.file)
            with lab.exclusive():
                volume = lab.storages.free_name(old.storage, target, old.fmt)
            path = lab.storages.path(volume)
            lab.vms.save(lab.vms.get(vm.vmid).with_config(**{key: None}))
            lab.storages.path(old).rename(path)
            lab.storages.reserved.discard(path)
            moved = Drive(goal, {"file": volume.id} if kind == "unused" else {**drive.values, "file": volume.id})
            task.log(f"update VM {target}: -{goal} {moved}")
            lab.vms.save(lab.vms.get(target).with_config(**{goal: str(moved)}))

    subject = f"{vm.vmid}-{key}>{target}-{goal}"
    return lab.tasks.start(lab, "qmmove", subject, call.caller.auth_id, work, node=call.node)


@route(
    "PUT",
    "/nodes/{node}/qemu/{vmid}/unlink",
    check=may("/vms/{vmid}", "VM.Config.Disk"),
    params={"idlist": text(required=True), "force": flag()},
)
def unlink(call: Call) -> None:
    """Detach disks; unused ones, and with ``force`` all, are deleted."""
    call.lab.vms.get(call.vmid, call.node)
    change = Change({}, tuple(formats.words(call.get("idlist"))), force=call.flag("force"))
    apply_change(call.lab, call.vmid, change, log=lambda _line: None)
