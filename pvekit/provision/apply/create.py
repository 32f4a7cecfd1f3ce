"""Creates a VM: claims its VMID with the create call itself, and never takes somebody else's for its own."""

from __future__ import annotations

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.desired import SETUP_SLOT, DesiredDisk, DesiredVm
from pvekit.model.errors import Conflict, ImageInvalid
from pvekit.model.mark import Mark, Stage, vm_tag, vmid_for, write
from pvekit.model.plan import Action
from pvekit.model.properties import Disk
from pvekit.model.units import GIB, format_pve_size
from pvekit.provision.apply.job import Job, Live

_VMID_TRIES = 200


def create(job: Job, action: Action, context: Context) -> None:
    """Create the VM, then grow the disks that were made from an image."""
    vm = job.vms[action.vm]
    seed = job.seeds.get(vm.name, "")
    mark = Mark(job.stack, vm.name, vm.kind, Stage.CREATED, seed=seed, first=vm.first_boot)
    body = _body(job, vm, mark)
    taken = {row.vmid for row in job.facts.rows if row.lock != "create"}
    for attempt in range(_VMID_TRIES):
        vmid = vm.vmid or vmid_for(job.stack, vm.name, attempt)
        if vmid in taken and vm.vmid is None:
            continue
        job.live[vm.name] = Live(vmid, vm.node, mark, seed=seed)
        if _claimed(job, vm, vmid, body, context):
            context.log(f"VMID {vmid} on {vm.node}")
            _grow(job, vm, context)
            return
        if vm.vmid is not None:
            break
    del job.live[vm.name]
    raise Conflict(
        f"VMID {vm.vmid or 'range'} is taken by a VM that is not of this stack",
        status=0,
        where=f"{vm.name}: create",
        hint="Choose another vmid in the stack file, or leave it out.",
    )


def _claimed(job: Job, vm: DesiredVm, vmid: int, body: dict[str, str], context: Context) -> bool:
    """Return whether the VM is ours now; False when the VMID belongs to somebody else."""
    tag = vm_tag(job.stack, vm.name)
    try:
        job.task(
            vm.name,
            context,
            lambda: api.create_vm(job.pve, vm.node, vmid, body),
            lambda: job.owner(vm.node, vmid) == tag,
        )
    except Conflict as error:
        if api.cause(error) is not api.Cause.EXISTS:
            raise
        # An earlier run of ours may have been killed between the call and its answer. The VM may be on any node.
        row = next((row for row in api.resources(job.pve).vms if row.vmid == vmid), None)
        if row is None or job.owner(row.node, vmid) != tag:
            return False
        job.live[vm.name].node = row.node
    return True


def _body(job: Job, vm: DesiredVm, mark: Mark) -> dict[str, str]:
    body = {**vm.at(None).config, **vm.create_only, "description": write(vm.description, mark)}
    body |= {disk.slot: disk_value(job, vm, disk) for disk in vm.disks}
    if mark.seed:
        body[vm.seed_slot] = f"{mark.seed},media=cdrom"
    if vm.install is not None:
        body[SETUP_SLOT] = f"{job.volumes[vm.install.iso, vm.iso_storage, vm.node]},media=cdrom"
    if vm.pool:
        body["pool"] = vm.pool
    return body


def disk_value(job: Job, vm: DesiredVm, disk: DesiredDisk) -> str:
    """Return the property string that makes a disk: from its image, or empty with its size."""
    options = [f"{key}={value}" for key, value in sorted(disk.options.items())]
    storage = job.facts.storage(disk.storage, vm.node)
    kind = disk.format or ("qcow2" if storage is not None and storage.files else None)
    if kind:
        options.append(f"format={kind}")
    if disk.image is None:
        size = f"{disk.size_bytes / GIB:.6f}".rstrip("0").rstrip(".")
        return ",".join([f"{disk.storage}:{size}", *options])
    volid = job.volumes[disk.image, vm.image_storage, vm.node]
    return ",".join([f"{disk.storage}:0", f"import-from={volid}", *options])


def _grow(job: Job, vm: DesiredVm, context: Context) -> None:
    """Grow imported disks: an import is always as large as its image."""
    config = job.read(vm.name).config
    for disk in vm.disks:
        if disk.image is None or disk.slot not in config:
            continue
        now = Disk.parse(config[disk.slot]).size or 0
        if now > disk.size_bytes:
            raise ImageInvalid(
                f"the image {disk.image} is {format_pve_size(now)} large, {disk.slot} shall be "
                f"{format_pve_size(disk.size_bytes)}",
                where=f"{job.where(vm.name)}: {disk.slot}",
                hint=f"Write size: {format_pve_size(now)}iB or more; PVE does not shrink disks.",
            )
        if now < disk.size_bytes:
            grow(job, vm.name, disk.slot, disk.size_bytes, context)


def grow(job: Job, name: str, slot: str, size: int, context: Context) -> None:
    """Grow a disk to a size in bytes."""
    live = job.live[name]
    text = format_pve_size(size)

    def grown() -> bool:
        return (Disk.parse(job.read(name).config[slot]).size or 0) >= size

    context.log(f"{slot}: growing to {text}")
    job.task(name, context, lambda: api.resize(job.pve, live.node, live.vmid, slot, text), grown)
