"""Cloning: full copies, and linked clones of templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, demand, may
from pvekit.lab.call import Call
from pvekit.lab.errors import broken, forbidden
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.propstring import build, split
from pvekit.lab.router import route
from pvekit.lab.storage.volumes import parse_volume, size_text
from pvekit.lab.tasks import Task
from pvekit.lab.vm import defaults
from pvekit.lab.vm.allocate import CLOUDINIT_SIZE, Allocator
from pvekit.lab.vm.create import claim
from pvekit.lab.vm.devicespec import NET
from pvekit.lab.vm.drives import Drive, drive_of, drives
from pvekit.lab.vm.power import cloudinit_keys
from pvekit.lab.vm.vms import Vm

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

_PARAMS = {
    "newid": integer(check=formats.vmid, required=True),
    "bwlimit": integer(0),
    "description": text(),
    "format": choice("raw", "qcow2", "vmdk"),
    "full": flag(),
    "name": text(check=formats.dns_name),
    "pool": text(),
    "snapname": text(check=formats.config_id, longest=40),
    "storage": text(check=formats.storage_id),
    "target": text(),
}


@route("POST", "/nodes/{node}/qemu/{vmid}/clone", params=_PARAMS, check=may("/vms/{vmid}", "VM.Clone"))
def clone(call: Call) -> str:
    """Clone a VM; a template gives a linked clone unless ``full`` is set."""
    lab, newid, pool = call.lab, call.number("newid"), call.get("pool")
    source = lab.vms.find(call.vmid)
    _may_allocate(call, newid, pool)
    if source is None or source.node != call.node:
        raise broken(f"unable to find configuration file for VM {call.vmid} on node '{call.node}'")
    source.demand_unlocked()
    if newid in lab.vms:
        raise broken(f"unable to create VM {newid}: config file already exists")
    if "snapname" in call.params:
        raise broken("cloning from a snapshot is not supported by the embedded node")
    full = call.flag("full", default=not source.template)
    storage = call.get("storage")
    if storage:
        lab.storages.config(storage)
        if not full:
            raise broken("parameter 'storage' not allowed for linked clones")
        demand(lab, call.caller, f"/storage/{storage}", "Datastore.AllocateSpace")
    _check_sources(call, source, full=full)
    config = _new_config(call, source)
    node = call.get("target") or call.node
    if node not in lab.settings.nodes:
        raise broken(f"no such cluster node '{node}'")
    claim(lab, Vm(newid, node, {**config, "lock": "clone"}), pool=pool)

    def work(task: Task) -> None:
        task.log(f"creating a clone of VM {source.vmid} with ID {newid}")
        _copy(lab, task, source, Vm(newid, node, config), full=full, storage=storage, fmt=call.get("format"))
        task.keep()

    undo = [{"step": "vm", "vmid": newid}]
    return lab.tasks.start(lab, "qmclone", str(source.vmid), call.caller.auth_id, work, node=call.node, undo=undo)


def _may_allocate(call: Call, newid: int, pool: str) -> None:
    if pool and pool not in (call.lab.cluster.get("pools") or {}):
        raise forbidden(f"pool '{pool}' does not exist")
    if pool and allowed(call.lab, call.caller, f"/pool/{pool}", "VM.Allocate"):
        return
    demand(call.lab, call.caller, f"/vms/{newid}", "VM.Allocate")


def _check_sources(call: Call, source: Vm, *, full: bool) -> None:
    for drive in _copied(source):
        if not full and not drive.is_cloudinit and not parse_volume(drive.file).is_base:
            raise broken(f"Linked clone feature is not supported for '{drive.file}' ({drive.key})")
        target = call.get("storage") or drive.file.split(":", 1)[0]
        demand(call.lab, call.caller, f"/storage/{target}", "Datastore.AllocateSpace")
    for key, value in source.config.items():
        bridge = split(NET, value).get("bridge") if re.fullmatch(r"net\d+", key) else None
        if bridge:
            demand(call.lab, call.caller, f"/sdn/zones/localnetwork/{bridge}", "SDN.Use")


def _copied(source: Vm) -> list[Drive]:
    """Return the drives that the clone gets its own volume for."""
    found = [drive for drive in drives(source.config) if not drive.is_empty]
    return [drive for drive in found if drive.is_cloudinit or not (drive.is_cdrom or drive.file.startswith("/"))]


def _new_config(call: Call, source: Vm) -> dict[str, str]:
    dropped = {"template", "lock", "parent", "vmgenid"}
    config = {key: value for key, value in source.config.items() if key not in dropped and not key.startswith("unused")}
    config["name"] = call.get("name") or f"Copy-of-VM-{source.config.get('name', source.vmid)}"
    if "description" in call.params:
        config["description"] = call.get("description")
    for key, value in config.items():
        if re.fullmatch(r"net\d+", key):
            config[key] = build(NET, {**split(NET, value), "macaddr": defaults.new_mac()})
    identity = defaults.identity()
    config["smbios1"] = defaults.fresh_smbios(config.get("smbios1", ""))
    config["vmgenid"] = identity["vmgenid"]
    return config


def _copy(lab: Lab, task: Task, source: Vm, new: Vm, *, full: bool, storage: str, fmt: str) -> None:
    allocator = Allocator(lab, new.vmid, task.log, lambda volume: task.undo("volume", volume=volume.id))
    config = dict(new.config)
    for drive in _copied(source):
        made = _copy_drive(lab, task, allocator, drive, config, full=full, storage=storage, fmt=fmt)
        config[drive.key] = str(made)
    with lab.vms.locked(new.vmid):
        lab.vms.save(Vm(new.vmid, new.node, config, cloudinit=cloudinit_keys(config)))


def _copy_drive(
    lab: Lab, task: Task, allocator: Allocator, drive: Drive, config: Mapping[str, str], *, full: bool, storage: str,
    fmt: str,
) -> Drive:  # fmt: skip
    target = storage or drive.file.split(":", 1)[0]
    if drive.is_cloudinit:
        task.log(f"create full clone of drive {drive.key} ({drive.file})")
        wanted = drive_of(drive.key, f"{target}:cloudinit,media=cdrom")
        if wanted is None:
            raise broken(f"unable to parse drive '{drive.key}'")
        return allocator.make(wanted, config).with_values(size=size_text(CLOUDINIT_SIZE))
    source = lab.storages.path_of(drive.file)
    if not full and drive.key != "tpmstate0":
        return _linked(lab, task, allocator, drive)
    task.log(f"create full clone of drive {drive.key} ({drive.file})")
    kept = str(lab.disks.info(source)["format"])
    wanted_format = kept if drive.key == "tpmstate0" else fmt or kept
    volume, path = allocator.copy(source, target, wanted_format)
    size = drive.values.get("size") or size_text(int(lab.disks.info(path)["virtual-size"]))
    return drive.with_values(file=volume.id, size=size)


def _linked(lab: Lab, task: Task, allocator: Allocator, drive: Drive) -> Drive:
    base = parse_volume(drive.file)
    task.log(f"create linked clone of drive {drive.key} ({drive.file})")
    volume, path = allocator.claim(base.storage, "qcow2")
    task.log(f"clone {base.name}: images, {path.name}, {volume.vmid} to {path.name} (base=../{base.name})")
    lab.disks.overlay(lab.storages.path(base), path)
    allocator.settle(path)
    return drive.with_values(file=f"{base.storage}:{base.name}/{volume.name}")
