"""``/cluster/resources``, the one list that tells nearly everything, and its neighbours."""

from __future__ import annotations

import re
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed
from pvekit.lab.call import Call
from pvekit.lab.errors import bad
from pvekit.lab.node.status import node_row
from pvekit.lab.node.tasks import row as task_row
from pvekit.lab.params import choice, integer
from pvekit.lab.router import route
from pvekit.lab.vm.status import live, resource_row


@route("GET", "/cluster/resources", params={"type": choice("vm", "storage", "node", "sdn")})
def resources(call: Call) -> list[dict[str, Any]]:
    """Return VMs, nodes, storages and networks that the caller may see."""
    wanted = call.get("type")
    found: list[dict[str, Any]] = []
    if wanted in {"", "vm"}:
        found += _vms(call)
    if wanted in {"", "node"}:
        found += [
            {**node_row(call.lab, node, full=_may(call, f"/nodes/{node}", "Sys.Audit")), "cgroup-mode": 2}
            for node in call.lab.settings.nodes
        ]
    if wanted in {"", "storage"}:
        found += _storages(call)
    if wanted in {"", "sdn"} and _may(call, "/sdn/zones/localnetwork", "SDN.Audit"):
        found += [
            {"id": f"network/{node}/zone/localnetwork", "type": "network", "node": node, "network": "localnetwork",
             "network-type": "zone", "status": "ok"}
            for node in call.lab.settings.nodes
        ]  # fmt: skip
    return found


def _may(call: Call, path: str, *names: str) -> bool:
    return allowed(call.lab, call.caller, path, *names)


def _vms(call: Call) -> list[dict[str, Any]]:
    visible = [vm for vm in call.lab.vms.all() if _may(call, f"/vms/{vm.vmid}", "VM.Audit")]
    now = live(call.lab, {vm.vmid for vm in visible})
    rows = []
    for vm in visible:
        row = resource_row(call.lab, vm, now.get(vm.vmid))
        if vm.lock == "create":
            # A real node learns name and state of a new VM only some seconds later.
            row.pop("name")
            row["status"] = "unknown"
        rows.append(row)
    return rows


def _storages(call: Call) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in call.lab.storages.names():
        if _may(call, f"/storage/{name}", "Datastore.Audit", "Datastore.AllocateSpace"):
            rows += [storage_row(call, node, name) for node in call.lab.settings.nodes]
    return rows


def storage_row(call: Call, node: str, name: str) -> dict[str, Any]:
    """Return a storage as the cluster's list shows it."""
    config = call.lab.storages.config(name)
    total, used, _free = call.lab.storages.usage(name)
    claimed = call.lab.settings.hardware.storages.get(name) if call.lab.settings.hardware is not None else None
    return {
        "id": f"storage/{node}/{name}",
        "type": "storage",
        "storage": name,
        "node": node,
        "plugintype": claimed.kind if claimed is not None else config["type"],
        "content": ",".join(call.lab.storages.content(name)),
        "shared": int(config.get("shared", 0)),
        "status": "unknown" if config.get("disable") else "available",
        "disk": used,
        "maxdisk": total,
    }


@route("GET", "/cluster/nextid", params={"vmid": integer(check=formats.vmid)})
def next_id(call: Call) -> str:
    """Return the first free VMID of the configured range, or say whether the given one is free."""
    if call.get("vmid"):
        if call.vmid in call.lab.vms:
            raise bad(vmid=f"VM {call.vmid} already exists")
        return call.get("vmid")
    rule = str((call.lab.cluster.get("options") or {}).get("next-id", ""))
    lower = re.search(r"lower=(\d+)", rule)
    upper = re.search(r"upper=(\d+)", rule)
    first, last = int(lower[1]) if lower else 100, int(upper[1]) if upper else 999999999
    for number in range(first, last):
        if number not in call.lab.vms:
            return str(number)
    raise bad(vmid=f"unable to get any free VMID in range [{first}, {last}]")


@route("GET", "/cluster/tasks")
def tasks(call: Call) -> list[dict[str, Any]]:
    """Return recent tasks: a token sees them only with Sys.Audit on /."""
    everything = _may(call, "/", "Sys.Audit")
    rows = []
    for task in call.lab.tasks.newest()[:100]:
        if everything or call.caller.auth_id == task.upid.user:
            row = {key: value for key, value in task_row(task).items() if key not in {"pid", "pstart"}}
            row["saved"] = "0" if task.end is None else "1"
            rows.append(row)
    return rows


@route("GET", "/cluster/status")
def status(call: Call) -> list[dict[str, Any]]:
    """Return the nodes and whether they are up."""
    return [
        {"id": f"node/{node}", "name": node, "type": "node", "nodeid": number, "ip": "127.0.0.1", "online": 1,
         "local": int(number == 0), "level": ""}
        for number, node in enumerate(call.lab.settings.nodes)
    ]  # fmt: skip
