"""Snapshots: taken, listed, rolled back, deleted."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.errors import TaskFailed, broken
from pvekit.lab.params import flag, text
from pvekit.lab.router import route
from pvekit.lab.tasks import Task, undoes
from pvekit.lab.vm.config import snapshot_fields
from pvekit.lab.vm.drives import Drive, drives, next_unused, volumes
from pvekit.lab.vm.effective import vm_start
from pvekit.lab.vm.power import start_vm
from pvekit.lab.vm.vms import Snapshot, Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

NAME = text(check=formats.config_id, longest=40, required=True)
_BASE = "/nodes/{node}/qemu/{vmid}/snapshot"


@undoes("unlock")
def _unlock(lab: Lab, step: Mapping[str, Any]) -> None:
    vmid = int(step["vmid"])
    with lab.vms.locked(vmid):
        vm = lab.vms.find(vmid)
        if vm is not None and vm.lock == step["lock"]:
            lab.vms.save(vm.with_config(lock=None))


@contextmanager
def _busy(lab: Lab, task: Task, vmid: int, lock: str) -> Iterator[Vm]:
    """Hold the VM with a config lock, which keeps all others from changing it.

    The lock is taken off when the block ends; if the block fails, undoing the task takes it off.
    """
    with lab.vms.locked(vmid):
        vm = lab.vms.get(vmid)
        vm.demand_unlocked()
        task.undo("unlock", vmid=vmid, lock=lock)
        held = lab.vms.save(vm.with_config(lock=lock))
    yield held
    _unlock(lab, {"vmid": vmid, "lock": lock})
    task.keep()


def snapshot_drives(vm: Vm) -> list[Drive]:
    """Return the drives that a snapshot covers."""
    found = [drive for drive in drives(vm.config) if not drive.is_empty and not drive.is_cdrom]
    return [drive for drive in found if drive.values.get("snapshot") != "1"]


def can_snapshot(lab: Lab, vm: Vm) -> bool:
    """Return whether every disk can be snapshotted."""
    return all(
        not drive.file.startswith("/") and lab.storages.path_of(drive.file).suffix == ".qcow2"
        for drive in snapshot_drives(vm)
    )


@route("GET", _BASE, check=may("/vms/{vmid}", "VM.Audit"))
def listing(call: Call) -> list[dict[str, Any]]:
    """Return the snapshots, and where the VM stands now."""
    vm = call.lab.vms.get(call.vmid, call.node)
    rows: list[dict[str, Any]] = []
    for name, snapshot in vm.snapshots.items():
        row = {
            "name": name,
            "description": snapshot.description,
            "snaptime": snapshot.time,
            "vmstate": int(snapshot.vmstate),
        }
        rows.append({**row, "parent": snapshot.parent} if snapshot.parent else row)
    now: dict[str, Any] = {
        "name": "current",
        "description": "You are here!",
        "digest": vm.digest,
        "running": int(call.lab.machines.status(vm.vmid) is not None),
    }
    return [*rows, {**now, "parent": vm.parent} if vm.parent else now]


@route(
    "POST",
    _BASE,
    check=may("/vms/{vmid}", "VM.Snapshot"),
    params={"snapname": NAME, "description": text(), "vmstate": flag()},
)
def create(call: Call) -> str:
    """Take a snapshot."""
    lab, vmid, name = call.lab, call.vmid, call.get("snapname")
    lab.vms.get(vmid, call.node)
    if name in {"current", "pending"}:
        raise broken(f"unable to use snapshot name '{name}' (reserved name)")
    wants_memory = call.flag("vmstate")

    def work(task: Task) -> None:
        vm = lab.vms.get(vmid)
        vm.demand_unlocked()
        if name in vm.snapshots:
            raise TaskFailed(f"snapshot name '{name}' already used")
        if not can_snapshot(lab, vm):
            raise TaskFailed("snapshot feature is not available")
        memory = wants_memory and lab.machines.status(vmid) is not None
        with _busy(lab, task, vmid, "snapshot") as held:
            task.undo("snapshot", vmid=vmid, name=name)
            if memory:
                lab.machines.snapshot_memory(vmid, name, task.log)
            for drive in snapshot_drives(held):
                task.log(f"snapshotting 'drive-{drive.key}' ({drive.file})")
                lab.disks.snapshot(lab.storages.path_of(drive.file), name)
            saved = {key: value for key, value in held.config.items() if key != "lock"}
            made = Snapshot(saved, int(time.time()), call.get("description"), held.parent, memory)
            lab.vms.save(replace(held, snapshots={**held.snapshots, name: made}, parent=name))

    return lab.tasks.start(lab, "qmsnapshot", str(vmid), call.caller.auth_id, work, node=call.node)


@undoes("snapshot")
def _drop_half(lab: Lab, step: Mapping[str, Any]) -> None:
    vm = lab.vms.find(int(step["vmid"]))
    if vm is None or step["name"] in vm.snapshots:
        return
    for drive in snapshot_drives(vm):
        path = lab.storages.path_of(drive.file)
        present = [one.get("name") for one in lab.disks.info(path).get("snapshots", ())]
        if step["name"] in present:
            lab.disks.drop_snapshot(path, step["name"])


def _saved(vm: Vm, name: str) -> Snapshot:
    if name not in vm.snapshots:
        raise TaskFailed(f"snapshot '{name}' does not exist")
    return vm.snapshots[name]


@route(
    "POST",
    _BASE + "/{snapname}/rollback",
    check=may("/vms/{vmid}", "VM.Snapshot", "VM.Snapshot.Rollback"),
    params={"snapname": NAME, "start": flag()},
)
def rollback(call: Call) -> str:
    """Return to a snapshot; the VM is stopped for it."""
    lab, vmid, name = call.lab, call.vmid, call.get("snapname")
    lab.vms.get(vmid, call.node)
    starts = call.flag("start")

    def work(task: Task) -> None:
        vm = lab.vms.get(vmid)
        saved = _saved(vm, name)
        if vm.template:
            raise TaskFailed("Rollback is not available for templates")
        with _busy(lab, task, vmid, "rollback") as held:
            lab.machines.stop(vmid, task.log)
            target = Vm(vmid, held.node, saved.config)
            for drive in snapshot_drives(target):
                lab.disks.rollback(lab.storages.path_of(drive.file), name)
            lab.vms.save(replace(held, config=_restored(held, saved), pending={}, deletions=(), parent=name))
        if saved.vmstate:
            lab.machines.restore_memory(vm_start(lab, lab.vms.get(vmid)), name, task.log)
        elif starts:
            start_vm(lab, vmid, task.log)

    return lab.tasks.start(lab, "qmrollback", str(vmid), call.caller.auth_id, work, node=call.node)


def _restored(vm: Vm, saved: Snapshot) -> dict[str, str]:
    """Return the snapshot's configuration, the lock kept, disks that it does not know as unused."""
    config = {**saved.config, "lock": "rollback"}
    known = set(volumes(config).values())
    for drive in snapshot_drives(vm):
        if drive.file not in known:
            config[next_unused(config)] = drive.file
    return config


@route(
    "DELETE",
    _BASE + "/{snapname}",
    check=may("/vms/{vmid}", "VM.Snapshot"),
    params={"snapname": NAME, "force": flag()},
)
def delete(call: Call) -> str:
    """Delete a snapshot."""
    lab, vmid, name = call.lab, call.vmid, call.get("snapname")
    lab.vms.get(vmid, call.node)

    def work(task: Task) -> None:
        gone = _saved(lab.vms.get(vmid), name)
        with _busy(lab, task, vmid, "snapshot-delete") as held:
            for drive in snapshot_drives(Vm(vmid, held.node, gone.config)):
                path = lab.storages.path_of(drive.file)
                if path.exists():
                    lab.disks.drop_snapshot(path, name)
            kept = {
                key: replace(one, parent=gone.parent) if one.parent == name else one
                for key, one in held.snapshots.items()
                if key != name
            }
            parent = gone.parent if held.parent == name else held.parent
            lab.vms.save(replace(held, snapshots=kept, parent=parent))

    return lab.tasks.start(lab, "qmdelsnapshot", str(vmid), call.caller.auth_id, work, node=call.node)


@route("GET", _BASE + "/{snapname}", check=may("/vms/{vmid}", "VM.Audit"), params={"snapname": NAME})
def index(_call: Call) -> list[dict[str, str]]:
    """Return what can be asked of a snapshot."""
    return [{"cmd": "rollback"}, {"cmd": "config"}]


@route("GET", _BASE + "/{snapname}/config", check=may("/vms/{vmid}", "VM.Audit"), params={"snapname": NAME})
def read(call: Call) -> dict[str, Any]:
    """Return the saved configuration."""
    vm = call.lab.vms.get(call.vmid, call.node)
    if call.get("snapname") not in vm.snapshots:
        raise broken(f"snapshot '{call.get('snapname')}' does not exist")
    return snapshot_fields(vm.snapshots[call.get("snapname")])


@route(
    "PUT",
    _BASE + "/{snapname}/config",
    check=may("/vms/{vmid}", "VM.Snapshot"),
    params={"snapname": NAME, "description": text()},
)
def describe(call: Call) -> None:
    """Change a snapshot's description."""
    name = call.get("snapname")
    with call.lab.vms.locked(call.vmid):
        vm = call.lab.vms.get(call.vmid, call.node)
        if name not in vm.snapshots:
            raise broken(f"snapshot '{name}' does not exist")
        changed = replace(vm.snapshots[name], description=call.get("description"))
        call.lab.vms.save(replace(vm, snapshots={**vm.snapshots, name: changed}))
