"""What is done to a VM. Functions that return a UPID start a task: see ``tasks``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pvekit.adapters.pve.client import Pve


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot; ``created`` in Unix seconds, ``parent`` empty for the first one."""

    name: str
    description: str
    parent: str
    created: int
    with_ram: bool


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task in a node's list; ``exitstatus`` is empty while it runs."""

    upid: str
    type: str
    vmid: str
    user: str
    starttime: int
    exitstatus: str


def _path(node: str, vmid: int) -> str:
    return f"/nodes/{node}/qemu/{vmid}"


def create_vm(pve: Pve, node: str, vmid: int, config: Mapping[str, Any]) -> str:
    """Create a VM, which claims its VMID at once; returns the UPID. Conflict (EXISTS) if the VMID is taken.

    Never sends ``start``: PVE hides a start that fails behind a creation that went well.
    """
    return str(pve.request("POST", f"/nodes/{node}/qemu", {"vmid": vmid, **config}))


def set_config(
    pve: Pve,
    node: str,
    vmid: int,
    changes: Mapping[str, Any],
    *,
    delete: Collection[str] = (),
    digest: str = "",
) -> None:
    """Change a VM's configuration at once (PUT). For changes that allocate disks use ``set_config_task``.

    Conflict (STALE) if ``digest`` is not the current one, Conflict (LOCKED) if the VM is locked.
    """
    pve.request("PUT", f"{_path(node, vmid)}/config", _changes(changes, delete, digest))


def set_config_task(
    pve: Pve,
    node: str,
    vmid: int,
    changes: Mapping[str, Any],
    *,
    delete: Collection[str] = (),
    digest: str = "",
) -> str:
    """Change a VM's configuration in a task (POST) and return its UPID: PVE's proxy cuts a PUT after 30 s.

    A UPID even if the task ended within the request; an empty string if PVE needed none.
    """
    return str(pve.request("POST", f"{_path(node, vmid)}/config", _changes(changes, delete, digest)) or "")


def _changes(changes: Mapping[str, Any], delete: Collection[str], digest: str) -> dict[str, Any]:
    return {**changes, "delete": ",".join(sorted(delete)) or None, "digest": digest or None}


def delete_vm(pve: Pve, node: str, vmid: int, *, purge: bool = False) -> str:
    """Delete a VM and the volumes named in its configuration; returns the UPID. Unreferenced volumes stay.

    ``purge`` removes it from backup jobs and HA as well. Conflict if it is protected or running.
    """
    wanted = {"purge": purge or None, "destroy-unreferenced-disks": False}
    return str(pve.request("DELETE", _path(node, vmid), wanted))


def start(pve: Pve, node: str, vmid: int) -> str:
    """Start a VM; returns the UPID (also for a VM that cannot start: the task tells)."""
    return str(pve.post(f"{_path(node, vmid)}/status/start"))


def stop(pve: Pve, node: str, vmid: int) -> str:
    """Pull the plug; returns the UPID."""
    return str(pve.post(f"{_path(node, vmid)}/status/stop"))


def shutdown(pve: Pve, node: str, vmid: int, *, timeout: int = 60, force: bool = False) -> str:
    """Ask the guest to shut down within ``timeout`` seconds, then pull the plug if ``force``; returns the UPID."""
    return str(pve.post(f"{_path(node, vmid)}/status/shutdown", timeout=timeout, forceStop=force or None))


def reboot(pve: Pve, node: str, vmid: int, *, timeout: int = 60) -> str:
    """Shut down and start again, which applies pending changes; returns the UPID. Conflict if it is not running."""
    return str(pve.post(f"{_path(node, vmid)}/status/reboot", timeout=timeout))


def resize(pve: Pve, node: str, vmid: int, disk: str, size: str, *, digest: str = "") -> str:
    """Grow a disk to ``size`` (``32G``) or by it (``+4G``); returns the UPID. Shrinking fails inside the task."""
    return str(pve.put(f"{_path(node, vmid)}/resize", disk=disk, size=size, digest=digest or None))


def unlink(pve: Pve, node: str, vmid: int, disks: Collection[str]) -> None:
    """Delete unused disks (``unused0``) and their volumes for good."""
    pve.put(f"{_path(node, vmid)}/unlink", idlist=",".join(sorted(disks)), force=True)


def snapshots(pve: Pve, node: str, vmid: int) -> tuple[Snapshot, ...]:
    """Return a VM's snapshots, oldest first ("current" is left out)."""
    rows = (row for row in pve.get(f"{_path(node, vmid)}/snapshot") if row["name"] != "current")
    made = (
        Snapshot(
            str(row["name"]),
            str(row.get("description", "")),
            str(row.get("parent", "")),
            int(row.get("snaptime", 0)),
            bool(int(row.get("vmstate", 0) or 0)),
        )
        for row in rows
    )
    return tuple(sorted(made, key=lambda snapshot: (snapshot.created, snapshot.name)))


def create_snapshot(pve: Pve, node: str, vmid: int, name: str, *, description: str = "", ram: bool = False) -> str:
    """Take a snapshot, with the RAM of a running VM if ``ram``; returns the UPID."""
    wanted = {"snapname": name, "description": description or None, "vmstate": ram or None}
    return str(pve.request("POST", f"{_path(node, vmid)}/snapshot", wanted))


def rollback(pve: Pve, node: str, vmid: int, name: str, *, start_after: bool = False) -> str:
    """Return to a snapshot; returns the UPID."""
    return str(pve.post(f"{_path(node, vmid)}/snapshot/{name}/rollback", start=start_after or None))


def delete_snapshot(pve: Pve, node: str, vmid: int, name: str) -> str:
    """Delete a snapshot; returns the UPID."""
    return str(pve.delete(f"{_path(node, vmid)}/snapshot/{name}"))


def node_tasks(pve: Pve, node: str, *, vmid: int | None = None, running: bool = False) -> tuple[RunningTask, ...]:
    """Return a node's newest tasks (the asker's own, or all with Sys.Audit), to find one whose answer was lost."""
    rows = pve.get(f"/nodes/{node}/tasks", vmid=vmid, source="active" if running else "all", limit=50)
    return tuple(
        RunningTask(
            upid=str(row["upid"]),
            type=str(row.get("type", "")),
            vmid=str(row.get("id") or ""),
            user=str(row.get("user", "")),
            starttime=int(row.get("starttime", 0)),
            exitstatus="" if row.get("status") in (None, "RUNNING", "running") else str(row["status"]),
        )
        for row in rows
    )
