"""Resource pools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, demand, may, valid_path
from pvekit.lab.call import Call
from pvekit.lab.cluster.documents import changing, table
from pvekit.lab.cluster.resources import storage_row
from pvekit.lab.errors import broken, forbidden
from pvekit.lab.params import Param, choice, flag, text
from pvekit.lab.router import route
from pvekit.lab.vm.status import live, resource_row

POOL = text(pattern=r"[A-Za-z0-9.\-_]+(/[A-Za-z0-9.\-_]+){0,2}", required=True)
_CHANGE: Mapping[str, Param] = {
    "comment": text(),
    "vms": text(),
    "storage": text(),
    "delete": flag(),
    "allow-move": flag(),
}


def _allocate(call: Call) -> None:
    path = f"/pool/{call.get('poolid')}"
    if not valid_path(path):
        raise forbidden(", Pool.Allocate")
    demand(call.lab, call.caller, path, "Pool.Allocate")


def _row(name: str, pool: Mapping[str, Any]) -> dict[str, Any]:
    return {"poolid": name, **({"comment": pool["comment"]} if "comment" in pool else {})}


@route("GET", "/pools", params={"poolid": text(), "type": choice("qemu", "lxc", "storage")})
def listing(call: Call) -> list[dict[str, Any]]:
    """Return the pools that the caller may see; with ``poolid`` that one with its members."""
    wanted = call.get("poolid")
    if wanted:
        demand(call.lab, call.caller, f"/pool/{wanted}", "Pool.Audit")
        return [_full(call, wanted)]
    return [
        _row(name, pool)
        for name, pool in sorted(table(call.lab, "pools").items())
        if allowed(call.lab, call.caller, f"/pool/{name}", "Pool.Audit")
    ]


def _full(call: Call, name: str) -> dict[str, Any]:
    pool = table(call.lab, "pools").get(name)
    if pool is None:
        raise broken(f"pool '{name}' does not exist")
    now = live(call.lab, {int(vmid) for vmid in pool.get("vms", ())})
    members: list[dict[str, Any]] = []
    for vmid in pool.get("vms", ()):
        vm = call.lab.vms.find(int(vmid))
        if vm is not None and call.get("type", "qemu") == "qemu":
            members.append(resource_row(call.lab, vm, now.get(vm.vmid)))
    for storage in pool.get("storage", ()):
        if storage in call.lab.storages.names() and call.get("type", "storage") == "storage":
            members += [storage_row(call, node, storage) for node in call.lab.settings.nodes]
    return {**_row(name, pool), "members": members}


@route("GET", "/pools/{poolid}", check=may("/pool/{poolid}", "Pool.Audit"), params={"type": text()})
def read(call: Call) -> dict[str, Any]:
    """Return a pool with its members."""
    found = _full(call, call.get("poolid"))
    found.pop("poolid")
    return {**found, "poolid": call.get("poolid")}


@route("POST", "/pools", check=_allocate, params={"poolid": POOL, "comment": text()})
def create(call: Call) -> None:
    """Add a pool; a name with a slash lies in another pool."""
    name = call.get("poolid")
    parent = name.rpartition("/")[0]
    with changing(call.lab, "pools") as pools:
        if name in pools:
            raise broken(f"create pool failed: pool '{name}' already exists")
        if parent and parent not in pools:
            raise broken(f"create pool failed: parent '{parent}' of pool '{name}' does not exist")
        pools[name] = {"vms": [], "storage": [], **({"comment": call.get("comment")} if call.get("comment") else {})}


@route("PUT", "/pools", check=_allocate, params={"poolid": POOL, **_CHANGE})
@route("PUT", "/pools/{poolid}", check=_allocate, params={"poolid": POOL, **_CHANGE})
def write(call: Call) -> None:
    """Change a pool's comment or members."""
    name = call.get("poolid")
    with changing(call.lab, "pools") as pools:
        if name not in pools:
            raise broken(f"update pools failed: pool '{name}' does not exist")
        if "comment" in call.params:
            pools[name]["comment"] = call.get("comment")
        for kind in ("vms", "storage"):
            for member in formats.words(call.get(kind)):
                _member(call, pools, name, kind, member)


def _member(call: Call, pools: dict[str, Any], name: str, kind: str, member: str) -> None:
    what = "VM" if kind == "vms" else "Storage"
    here = member in pools[name].get(kind, ())
    if call.flag("delete"):
        if not here:
            raise broken(f"update pools failed: {what} {member} is not a pool member")
        pools[name][kind] = [one for one in pools[name][kind] if one != member]
        return
    if here:
        raise broken(f"update pools failed: {what} {member} is already a pool member")
    if kind == "vms":
        demand(call.lab, call.caller, f"/vms/{member}", "VM.Allocate")
        for other, pool in pools.items():
            if member in pool.get("vms", ()):
                if not call.flag("allow-move"):
                    owned = f"VM {member} belongs already to pool '{other}'"
                    raise broken(f"update pools failed: {owned} and 'allow-move' is not set")
                pool["vms"] = [one for one in pool["vms"] if one != member]
    pools[name][kind] = sorted({*pools[name].get(kind, ()), member})


@route("DELETE", "/pools", check=_allocate, params={"poolid": POOL})
@route("DELETE", "/pools/{poolid}", check=_allocate, params={"poolid": POOL})
def delete(call: Call) -> None:
    """Delete an empty pool."""
    name = call.get("poolid")
    with changing(call.lab, "pools") as pools:
        if name not in pools:
            raise broken(f"delete pool failed: pool '{name}' does not exist")
        why = _content(call, pools, name)
        if why:
            raise broken(f"delete pool failed: pool '{name}' is not empty (contains {why})")
        del pools[name]


def _content(call: Call, pools: Mapping[str, Any], name: str) -> str:
    inner = next((one for one in sorted(pools) if one.startswith(f"{name}/")), "")
    if inner:
        return f"pool '{inner}'"
    vmid = next((one for one in pools[name].get("vms", ()) if int(one) in call.lab.vms), "")
    if vmid:
        return f"VM {vmid}"
    storage = next((one for one in pools[name].get("storage", ()) if one in call.lab.storages.names()), "")
    return f"storage '{storage}'" if storage else ""
