"""Creating a VM: the VMID is claimed at once, the disks are made in the task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, demand
from pvekit.lab.call import Call
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import Refused, TaskFailed, broken, forbidden
from pvekit.lab.params import flag, integer, text
from pvekit.lab.router import VMID, route
from pvekit.lab.tasks import Task, undoes
from pvekit.lab.vm import defaults
from pvekit.lab.vm.allocate import Allocator
from pvekit.lab.vm.drives import drive_of
from pvekit.lab.vm.guards import check_keys, check_ssh_keys, check_storages
from pvekit.lab.vm.keys import CONFIG
from pvekit.lab.vm.power import start_vm
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

_EXTRA = {
    "vmid": VMID,
    "archive": text(longest=255),
    "bwlimit": integer(0),
    "force": flag(),
    "ha-managed": flag(),
    "import-working-storage": text(check=formats.storage_id),
    "live-restore": flag(),
    "pool": text(),
    "start": flag(),
    "storage": text(check=formats.storage_id),
    "unique": flag(),
}


@undoes("vm")
def _forget_vm(lab: Lab, step: Mapping[str, Any]) -> None:
    lab.vms.forget(int(step["vmid"]))
    leave_pool(lab, int(step["vmid"]))


@route("POST", "/nodes/{node}/qemu", params={**CONFIG, **_EXTRA})
def create(call: Call) -> str:
    """Create a VM, or restore one (which this node does not do)."""
    vmid = call.vmid
    _may_create(call, vmid)
    if "archive" in call.params:
        raise broken("restoring backups is not supported by the embedded node")
    config = {key: value for key, value in call.params.items() if key in CONFIG}
    if "cdrom" in config:
        config["ide2"] = config.pop("cdrom")
    check_keys(call, vmid, config)
    check_storages(call, vmid, config)
    if "sshkeys" in config:
        check_ssh_keys(config["sshkeys"])
    config = {key: defaults.normal(key, value, config=config) for key, value in config.items()}
    claim(call.lab, Vm(vmid, call.node, {"lock": "create"}), pool=call.get("pool"))
    start = call.flag("start")

    def work(task: Task) -> None:
        _build(call.lab, task, vmid, config)
        if start:
            task.log("Execute autostart")
            try:
                start_vm(call.lab, vmid, task.log)
            except (TaskFailed, Refused, DoorError) as failure:
                task.warn(str(failure))

    return call.lab.tasks.start(
        call.lab, "qmcreate", str(vmid), call.caller.auth_id, work, node=call.node, undo=[{"step": "vm", "vmid": vmid}]
    )


def _may_create(call: Call, vmid: int) -> None:
    pool = call.get("pool")
    if pool:
        if pool not in (call.lab.cluster.get("pools") or {}):
            raise forbidden(f"pool '{pool}' does not exist")
        if allowed(call.lab, call.caller, f"/pool/{pool}", "VM.Allocate"):
            return
    if not allowed(call.lab, call.caller, f"/vms/{vmid}", "VM.Allocate"):
        raise forbidden()
    if pool:
        demand(call.lab, call.caller, f"/pool/{pool}", "Pool.Allocate")


def claim(lab: Lab, vm: Vm, *, pool: str = "") -> None:
    """Take the VMID, or raise because somebody has it."""
    with lab.exclusive():
        taken = lab.vms.find(vm.vmid)
        if taken is not None:
            raise broken(f"unable to create VM {vm.vmid} - VM {vm.vmid} already exists on node '{taken.node}'")
        # Without the VM's own lock: nobody else knows the VM yet, and whoever holds that lock may wait for this one.
        lab.vms.save(vm)
        if pool:
            pools = dict(lab.cluster.get("pools") or {})
            members = sorted({*pools[pool].get("vms", ()), str(vm.vmid)})
            lab.cluster.put("pools", {**pools, pool: {**pools[pool], "vms": members}})


def leave_pool(lab: Lab, vmid: int) -> None:
    """Take a VM out of its pool."""
    with lab.exclusive():
        pools = lab.cluster.get("pools") or {}
        if any(str(vmid) in pool.get("vms", ()) for pool in pools.values()):
            kept = {
                name: {**pool, "vms": [one for one in pool.get("vms", ()) if one != str(vmid)]}
                for name, pool in pools.items()
            }
            lab.cluster.put("pools", kept)


def _build(lab: Lab, task: Task, vmid: int, wanted: Mapping[str, str]) -> None:
    allocator = Allocator(lab, vmid, task.log, lambda volume: task.undo("volume", volume=volume.id))
    config = dict(wanted)
    try:
        for key in sorted(wanted):
            drive = drive_of(key, wanted[key])
            if drive is not None:
                config[key] = str(allocator.make(drive, config))
    except (TaskFailed, Refused, DoorError) as failure:
        raise TaskFailed(f"unable to create VM {vmid} - {failure}") from failure
    machine = defaults.pinned_machine(config)
    if machine is not None and machine != config.get("machine"):
        task.log(f"pinning machine type to '{machine}' for Windows guest OS")
        config["machine"] = machine
    config.setdefault("boot", defaults.boot_order(config))
    if "smbios1" in config and "uuid=" not in config["smbios1"]:
        config["smbios1"] = defaults.fresh_smbios(config["smbios1"])
    config = {**defaults.identity(), **config}
    cloudinit = {key: value for key, value in config.items() if _is_cloudinit_key(key)}
    with lab.vms.locked(vmid):
        lab.vms.save(Vm(vmid, lab.vms.get(vmid).node, config, cloudinit=cloudinit))
    task.keep()


def _is_cloudinit_key(key: str) -> bool:
    from pvekit.lab.vm.keys import CLOUDINIT_KEYS

    return key in CLOUDINIT_KEYS or re.fullmatch(r"ipconfig\d+", key) is not None
