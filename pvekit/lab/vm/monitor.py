"""The VM's monitor, its keyboard and small facts about it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.doors import DoorError
from pvekit.lab.errors import bad, broken
from pvekit.lab.params import choice, flag, integer, text
from pvekit.lab.router import route
from pvekit.lab.tasks import Task
from pvekit.lab.vm.config import AUDIT
from pvekit.lab.vm.drives import drives
from pvekit.lab.vm.power import demand_running
from pvekit.lab.vm.snapshot import can_snapshot, snapshot_drives

SUBDIRS = (
    "config", "cloudinit", "pending", "status", "unlink", "vncproxy", "termproxy", "migrate", "resize", "move", "rrd",
    "rrddata", "monitor", "agent", "snapshot", "spiceproxy", "sendkey", "firewall", "mtunnel", "remote_migrate",
)  # fmt: skip
FRAMES = {"hour": 60, "day": 1800, "week": 10800, "month": 43200, "year": 604800}


@route("GET", "/nodes/{node}/qemu/{vmid}")
def index(call: Call) -> list[dict[str, str]]:
    """Return what can be asked of a VM."""
    call.lab.vms.get(call.vmid, call.node)
    return [{"subdir": name} for name in SUBDIRS]


@route("GET", "/nodes/{node}/qemu/{vmid}/status")
def power_index(call: Call) -> list[dict[str, str]]:
    """Return the verbs under ``status``."""
    call.lab.vms.get(call.vmid, call.node)
    return [{"subdir": name} for name in ("current", "start", "stop", "reset", "shutdown", "suspend", "reboot")]


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/monitor",
    check=may("/vms/{vmid}", "Sys.Audit", "Sys.Modify"),
    params={"command": text(required=True)},
)
def monitor(call: Call) -> str:
    """Run a human monitor command."""
    vm = demand_running(call)
    try:
        return call.lab.machines.hmp(vm.vmid, call.get("command"))
    except DoorError as failure:
        raise broken(str(failure)) from failure


@route(
    "PUT",
    "/nodes/{node}/qemu/{vmid}/sendkey",
    check=may("/vms/{vmid}", "VM.Console"),
    params={"key": text(required=True), "skiplock": flag()},
)
def send_key(call: Call) -> None:
    """Press keys, in QEMU's notation."""
    call.lab.machines.send_key(demand_running(call).vmid, call.get("key"))


@route(
    "GET",
    "/nodes/{node}/qemu/{vmid}/feature",
    check=AUDIT,
    params={"feature": choice("snapshot", "clone", "copy").needed(), "snapname": text(check=formats.config_id)},
)
def feature(call: Call) -> dict[str, Any]:
    """Return whether the VM's disks can be snapshotted, linked-cloned or copied."""
    vm = call.lab.vms.get(call.vmid, call.node)
    able = {
        "snapshot": can_snapshot(call.lab, vm),
        "clone": vm.template,
        "copy": all(not drive.file.startswith("/") for drive in snapshot_drives(vm)),
    }
    return {"hasFeature": int(able[call.get("feature")]), "nodes": list(call.lab.settings.nodes)}


@route("GET", "/nodes/{node}/qemu/{vmid}/migrate", check=may("/vms/{vmid}", "VM.Migrate"), params={"target": text()})
def migrate_conditions(call: Call) -> dict[str, Any]:
    """Return what stands in the way of a migration."""
    vm = call.lab.vms.get(call.vmid, call.node)
    disks = [
        {
            "volid": drive.file,
            "drivename": drive.key,
            "size": drive.size,
            "shared": 0,
            "cdrom": int(drive.is_cdrom),
            "is_attached": 1,
            "is_unused": 0,
        }
        for drive in drives(vm.config)
        if not drive.is_empty
    ]
    return {
        "running": int(call.lab.machines.status(vm.vmid) is not None),
        "allowed_nodes": [node for node in call.lab.settings.nodes if node != vm.node],
        "not_allowed_nodes": {},
        "local_disks": disks,
        "local_resources": [],
        "mapped-resources": [],
        "mapped-resource-info": {},
        "has-dbus-vmstate": 1,
    }


@route(
    "POST",
    "/nodes/{node}/qemu/{vmid}/migrate",
    check=may("/vms/{vmid}", "VM.Migrate"),
    params={
        "target": text(required=True), "online": flag(), "with-local-disks": flag(), "targetstorage": text(),
        "force": flag(), "bwlimit": integer(0), "migration_network": text(),
        "migration_type": choice("secure", "insecure"), "with-conntrack-state": flag(),
    },
)  # fmt: skip
def migrate(call: Call) -> str:
    """Move a VM to another of the lab's nodes: all of them are the same machine, so only its home changes."""
    lab, target = call.lab, call.get("target")
    vm = lab.vms.get(call.vmid, call.node)
    if target == vm.node:
        raise bad(target="target is local node.")
    if target not in lab.settings.nodes:
        raise broken(f"no such cluster node '{target}'")

    def work(task: Task) -> None:
        with lab.vms.locked(vm.vmid):
            now = lab.vms.get(vm.vmid)
            now.demand_unlocked()
            task.log(f"starting migration of VM {vm.vmid} to node '{target}' (127.0.0.1)")
            lab.vms.save(replace(now, node=target))
            task.log("migration finished successfully")

    return lab.tasks.start(lab, "qmigrate", str(vm.vmid), call.caller.auth_id, work, node=call.node)


def empty_series(timeframe: str) -> list[dict[str, int]]:
    """Return the points of time of a graph, without values: the node keeps no statistics."""
    step = FRAMES[timeframe]
    now = int(time.time()) // step * step
    return [{"time": now - step * back} for back in range(70, 0, -1)]


@route(
    "GET",
    "/nodes/{node}/qemu/{vmid}/rrddata",
    check=AUDIT,
    params={"timeframe": choice(*FRAMES).needed(), "cf": choice("AVERAGE", "MAX")},
)
def series(call: Call) -> list[dict[str, int]]:
    """Return the VM's graph."""
    call.lab.vms.get(call.vmid, call.node)
    return empty_series(call.get("timeframe"))
