"""What a cluster says about itself, as frozen rows. One function, one request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pvekit.adapters.pve.client import Pve
from pvekit.model.errors import ApiError


@dataclass(frozen=True, slots=True)
class VmRow:
    """A VM in ``/cluster/resources``. Identify it by VMID and tags: the name comes seconds after creation.

    ``maxmem`` and ``maxdisk`` in bytes. ``lock``, ``pool`` and ``hastate`` are empty when there is none.
    """

    vmid: int
    node: str
    name: str
    status: str
    tags: tuple[str, ...]
    lock: str
    pool: str
    template: bool
    maxmem: int
    maxcpu: int
    maxdisk: int
    hastate: str = ""
    uptime: int = 0
    kind: str = "qemu"


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node; ``mem`` and ``maxmem`` in bytes, 0 when offline."""

    node: str
    status: str
    maxcpu: int
    mem: int
    maxmem: int

    @property
    def online(self) -> bool:
        """Return whether the node takes part in the cluster now."""
        return self.status == "online"


@dataclass(frozen=True, slots=True)
class StorageRow:
    """A storage as one node sees it; ``disk`` (used) and ``maxdisk`` in bytes."""

    storage: str
    node: str
    content: frozenset[str]
    shared: bool
    disk: int
    maxdisk: int
    plugintype: str
    status: str = "available"

    @property
    def free(self) -> int:
        """Bytes not in use."""
        return max(0, self.maxdisk - self.disk)


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything of one ``GET /cluster/resources``. Containers are among ``vms`` with kind ``lxc``: they hold VMIDs."""

    vms: tuple[VmRow, ...]
    nodes: tuple[NodeRow, ...]
    storages: tuple[StorageRow, ...]

    def vm(self, vmid: int) -> VmRow | None:
        """Return the guest with this VMID."""
        return next((row for row in self.vms if row.vmid == vmid), None)

    def node(self, name: str) -> NodeRow | None:
        """Return the node with this name."""
        return next((row for row in self.nodes if row.node == name), None)

    def storage(self, node: str, name: str) -> StorageRow | None:
        """Return the storage as that node sees it."""
        return next((row for row in self.storages if row.node == node and row.storage == name), None)


@dataclass(frozen=True, slots=True)
class Pending:
    """A VM's configuration now, and what waits for its next start. ``digest`` is empty if the server gave none."""

    current: dict[str, str]
    pending: dict[str, str]
    delete: frozenset[str]
    digest: str

    @property
    def after_restart(self) -> dict[str, str]:
        """The configuration once the pending changes are applied."""
        return {key: value for key, value in {**self.current, **self.pending}.items() if key not in self.delete}


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume or file on a storage; ``size`` in bytes, ``vmid`` 0 if it belongs to no VM."""

    volid: str
    content: str
    size: int
    format: str = ""
    vmid: int = 0
    ctime: int = 0


@dataclass(frozen=True, slots=True)
class Bridge:
    """A network that a NIC can be plugged into."""

    name: str
    active: bool
    vlan_aware: bool
    kind: str = "bridge"


@dataclass(frozen=True, slots=True)
class PciMapping:
    """A PCI mapping: its raw entries (``node=...,path=...``) and what PVE found wrong with it on the asked node."""

    id: str
    entries: tuple[str, ...]
    description: str
    mdev: bool
    problems: tuple[str, ...]
    digest: str = ""


def version(pve: Pve) -> tuple[int, int, int]:
    """Return PVE's version, ``(9, 2, 11)``. ApiError if the server gives none."""
    text = str(pve.get("/version").get("version", ""))
    found = re.match(r"(\d+)\.(\d+)(?:[.-](\d+))?", text)
    if not found:
        raise ApiError(f"no version in {text!r}", status=200, where="GET /version", hint="Is this Proxmox VE?")
    return int(found[1]), int(found[2]), int(found[3] or 0)


def permissions(pve: Pve) -> dict[str, dict[str, bool]]:
    """Return the asker's own privileges by path; the value says whether they reach what is below."""
    answer: Mapping[str, Mapping[str, Any]] = pve.get("/access/permissions") or {}
    return {path: {name: bool(int(flag)) for name, flag in held.items()} for path, held in answer.items()}


def resources(pve: Pve) -> Resources:
    """Return all guests, nodes and storages that the asker may see, in one request."""
    vms: list[VmRow] = []
    nodes: list[NodeRow] = []
    storages: list[StorageRow] = []
    for row in pve.get("/cluster/resources"):
        match row.get("type"):
            case "qemu" | "lxc":
                vms.append(_vm(row))
            case "node":
                nodes.append(
                    NodeRow(
                        str(row["node"]),
                        str(row.get("status", "unknown")),
                        _int(row, "maxcpu"),
                        _int(row, "mem"),
                        _int(row, "maxmem"),
                    )
                )
            case "storage":
                storages.append(_storage(row))
    return Resources(
        tuple(sorted(vms, key=lambda row: row.vmid)),
        tuple(sorted(nodes, key=lambda row: row.node)),
        tuple(sorted(storages, key=lambda row: (row.node, row.storage))),
    )


def pending(pve: Pve, node: str, vmid: int) -> Pending:
    """Return a VM's configuration, current and pending. NotFound if there is no such VM on the node."""
    current: dict[str, str] = {}
    waiting: dict[str, str] = {}
    delete: set[str] = set()
    for row in pve.get(f"/nodes/{node}/qemu/{vmid}/pending"):
        key = str(row["key"])
        if "value" in row:
            current[key] = str(row["value"])
        if int(row.get("delete", 0)):
            delete.add(key)
        elif "pending" in row:
            waiting[key] = str(row["pending"])
    return Pending(current, waiting, frozenset(delete), current.pop("digest", ""))


def content(pve: Pve, node: str, storage: str, kind: str | None = None) -> tuple[Volume, ...]:
    """Return the volumes of a storage (``kind``: images, iso, import ...). NotFound for an unknown storage."""
    rows = pve.get(f"/nodes/{node}/storage/{storage}/content", content=kind)
    volumes = (
        Volume(
            volid=str(row["volid"]),
            content=str(row.get("content", "")),
            size=_int(row, "size"),
            format=str(row.get("format", "")),
            vmid=_int(row, "vmid"),
            ctime=_int(row, "ctime"),
        )
        for row in rows
    )
    return tuple(sorted(volumes, key=lambda volume: volume.volid))


def bridges(pve: Pve, node: str) -> tuple[Bridge, ...]:
    """Return the bridges and virtual networks of a node that the asker may use."""
    rows = pve.get(f"/nodes/{node}/network", type="any_bridge")
    return tuple(
        Bridge(
            str(row["iface"]),
            bool(int(row.get("active", 0) or 0)),
            bool(int(row.get("bridge_vlan_aware", 0) or 0)),
            str(row.get("type", "bridge")),
        )
        for row in sorted(rows, key=lambda row: str(row["iface"]))
        if "bridge" in str(row.get("type", "bridge")).lower() or row.get("type") == "vnet"
    )


def pci_mappings(pve: Pve, node: str = "") -> tuple[PciMapping, ...]:
    """Return the PCI mappings; those of a node are checked by PVE against its hardware."""
    rows = pve.get("/cluster/mapping/pci", **({"check-node": node} if node else {}))
    return tuple(
        PciMapping(
            id=str(row["id"]),
            entries=tuple(str(entry) for entry in row.get("map", ())),
            description=str(row.get("description", "")),
            mdev=bool(int(row.get("mdev", 0) or 0)),
            problems=tuple(
                str(check.get("message", "")).strip() for check in (row.get("checks") or row.get("errors") or ())
            ),
            digest=str(row.get("digest", "")),
        )
        for row in sorted(rows, key=lambda row: str(row["id"]))
    )


def status(pve: Pve, node: str, vmid: int) -> dict[str, Any]:
    """Return ``status/current`` of a VM as PVE gives it (status, qmpstatus, uptime, pid, lock ...)."""
    return dict(pve.get(f"/nodes/{node}/qemu/{vmid}/status/current"))


def _vm(row: Mapping[str, Any]) -> VmRow:
    return VmRow(
        vmid=int(row["vmid"]),
        node=str(row["node"]),
        name=str(row.get("name", "")),
        status=str(row.get("status", "unknown")),
        tags=tuple(tag for tag in re.split(r"[;, ]+", str(row.get("tags") or "")) if tag),
        lock=str(row.get("lock") or ""),
        pool=str(row.get("pool") or ""),
        template=bool(_int(row, "template")),
        maxmem=_int(row, "maxmem"),
        maxcpu=_int(row, "maxcpu"),
        maxdisk=_int(row, "maxdisk"),
        hastate=str(row.get("hastate") or ""),
        uptime=_int(row, "uptime"),
        kind=str(row["type"]),
    )


def _storage(row: Mapping[str, Any]) -> StorageRow:
    return StorageRow(
        storage=str(row["storage"]),
        node=str(row["node"]),
        content=frozenset(part for part in str(row.get("content", "")).split(",") if part),
        shared=bool(_int(row, "shared")),
        disk=_int(row, "disk"),
        maxdisk=_int(row, "maxdisk"),
        plugintype=str(row.get("plugintype", "")),
        status=str(row.get("status", "unknown")),
    )


def _int(row: Mapping[str, Any], key: str) -> int:
    """Read a number that PVE may give as text or leave out."""
    return int(float(row.get(key) or 0))
