"""The node about itself."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any

from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call
from pvekit.lab.errors import broken
from pvekit.lab.node import host
from pvekit.lab.params import choice, flag
from pvekit.lab.router import route
from pvekit.lab.settings import RELEASE, REPOID, VERSION

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

AUDIT = may("/nodes/{node}", "Sys.Audit")
SUBDIRS = (
    "aplinfo", "apt", "capabilities", "certificates", "config", "disks", "dns", "firewall", "hardware", "hosts",
    "lxc", "network", "qemu", "query-url-metadata", "replication", "rrddata", "scan", "sdn", "services", "status",
    "storage", "subscription", "tasks", "time", "version", "vzdump",
)  # fmt: skip


def node_row(lab: Lab, node: str, *, full: bool) -> dict[str, Any]:
    """Return the node as the lists show it; ``full`` needs Sys.Audit."""
    row: dict[str, Any] = {"id": f"node/{node}", "node": node, "type": "node", "status": "online", "level": ""}
    if full:
        installed, available = host.node_memory(lab.settings, hollow=lab.hollow)
        total, used, _free = lab.storages.usage(lab.storages.names()[0])
        row.update(
            {
                "cpu": min(1.0, os.getloadavg()[0] / lab.settings.threads),
                "maxcpu": lab.settings.threads,
                "mem": installed - available,
                "maxmem": installed,
                "disk": used,
                "maxdisk": total,
                "uptime": host.uptime(),
            }
        )
    return row


@route("GET", "/nodes")
def nodes(call: Call) -> list[dict[str, Any]]:
    """Return the nodes."""
    return [
        {
            **node_row(call.lab, node, full=allowed(call.lab, call.caller, f"/nodes/{node}", "Sys.Audit")),
            "ssl_fingerprint": call.lab.fingerprint,
        }
        for node in call.lab.settings.nodes
    ]


@route("GET", "/nodes/{node}")
def index(_call: Call) -> list[dict[str, str]]:
    """Return what can be asked of a node."""
    return [{"name": name} for name in SUBDIRS]


@route("GET", "/version")
def version(_call: Call) -> dict[str, Any]:
    """Return the version whose API this is; ``repoid`` says honestly who answers."""
    return {"version": VERSION, "release": RELEASE, "repoid": REPOID}


@route("GET", "/nodes/{node}/version")
def node_version(_call: Call) -> dict[str, Any]:
    """Return the node's version."""
    return {"version": VERSION, "release": RELEASE, "repoid": REPOID}


@route("GET", "/nodes/{node}/time", check=AUDIT)
def node_time(_call: Call) -> dict[str, Any]:
    """Return the node's clock."""
    return host.local_time()


@route("GET", "/nodes/{node}/status", check=AUDIT)
def status(call: Call) -> dict[str, Any]:
    """Return processor, memory, load and kernel of the node."""
    lab, memory = call.lab, host.memory()
    total, used, free = lab.storages.usage(lab.storages.names()[0])
    names = os.uname()
    installed, available = host.node_memory(lab.settings, hollow=lab.hollow)
    return {
        "uptime": host.uptime(),
        "cpu": min(1.0, os.getloadavg()[0] / lab.settings.threads),
        "wait": 0,
        "idle": 0,
        "loadavg": [f"{one:.2f}" for one in os.getloadavg()],
        "cpuinfo": host.cpu_info(lab.settings),
        "memory": {
            "total": installed,
            "used": installed - available,
            "free": available if lab.hollow else min(available, memory["MemFree"]),
            "available": available,
        },
        "swap": {
            "total": memory.get("SwapTotal", 0),
            "free": memory.get("SwapFree", 0),
            "used": memory.get("SwapTotal", 0) - memory.get("SwapFree", 0),
        },
        "rootfs": {"total": total, "used": used, "free": total - used, "avail": free},
        "ksm": {"shared": 0},
        "boot-info": host.boot_mode(),
        "current-kernel": {
            "sysname": names.sysname, "release": names.release, "version": names.version, "machine": names.machine,
        },
        "kversion": f"{names.sysname} {names.release} {names.version}",
        "pveversion": f"pve-manager/{VERSION}/{REPOID}",
    }  # fmt: skip


@route(
    "POST", "/nodes/{node}/status", check=may("/nodes/{node}", "Sys.PowerMgmt"),
    params={"command": choice("reboot", "shutdown").needed()},
)  # fmt: skip
def power(call: Call) -> None:
    """Refuse: the embedded node never reboots the machine it runs on."""
    raise broken(f"the embedded node does not {call.get('command')} the machine it runs on")


@route("GET", "/nodes/{node}/dns", check=AUDIT)
def dns(_call: Call) -> dict[str, Any]:
    """Return the resolver."""
    return {"search": "lab.invalid", "dns1": "10.0.2.3"}


@route("GET", "/nodes/{node}/subscription")
def subscription(_call: Call) -> dict[str, Any]:
    """Return that there is none."""
    return {
        "status": "notfound",
        "message": "There is no subscription key",
        "serverid": "0" * 32,
        "url": "https://www.proxmox.com/en/proxmox-virtual-environment/pricing",
    }


@route("GET", "/nodes/{node}/lxc")
def containers(_call: Call) -> list[Any]:
    """Return no container: the embedded node runs VMs only."""
    return []


@route("GET", "/nodes/{node}/services", check=AUDIT)
def services(_call: Call) -> list[dict[str, Any]]:
    """Return the two services a client may look for; both are this process."""
    return [
        {"name": name, "service": name, "desc": f"{name} (pvekit lab)", "state": "running", "active-state": "active",
         "unit-state": "enabled"}
        for name in ("pvedaemon", "pveproxy")
    ]  # fmt: skip


@route("GET", "/nodes/{node}/apt/versions", check=AUDIT)
def packages(_call: Call) -> list[dict[str, Any]]:
    """Return the packages whose behaviour the embedded node follows."""
    return [
        {"Package": name, "Version": number, "OldVersion": number, "CurrentState": "Installed", "Title": name,
         "Section": "admin", "Priority": "optional", "Arch": platform.machine(), "Origin": "pvekit lab"}
        for name, number in (("pve-manager", VERSION), ("qemu-server", "9.2.6"), ("libpve-storage-perl", "9.1.7"))
    ]  # fmt: skip


@route("GET", "/nodes/{node}/apt/update", check=may("/nodes/{node}", "Sys.Modify"))
def updates(_call: Call) -> list[Any]:
    """Return no update."""
    return []


@route("POST", "/nodes/{node}/stopall", check=may("/nodes/{node}", "VM.PowerMgmt"), params={"force-stop": flag()})
def stop_all(call: Call) -> str:
    """Stop every VM of the node."""
    lab = call.lab

    def work(task: Any) -> None:
        for vmid in list(lab.machines.running()):
            task.log(f"Stopping VM {vmid}")
            lab.machines.stop(vmid, task.log)

    return lab.tasks.start(lab, "stopall", "", call.caller.auth_id, work, node=call.node)
