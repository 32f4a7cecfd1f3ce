"""Zones and virtual networks, and custom CPU models: kept and shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.cluster.documents import changing, digest, given, table
from pvekit.lab.errors import broken
from pvekit.lab.params import Param, choice, flag, integer, text
from pvekit.lab.router import route

_NAME = text(pattern=r"[a-z][a-z0-9]{0,7}", required=True)
_ALLOCATE = may("/sdn", "SDN.Allocate")
_ZONE: Mapping[str, Param] = {
    "type": choice("evpn", "faucet", "qinq", "simple", "vlan", "vxlan").needed(),
    **{key: text() for key in ("bridge", "dhcp", "dns", "dnszone", "ipam", "nodes", "peers", "reversedns")},
    "mtu": integer(0),
    "tag": integer(0),
}
_VNET: Mapping[str, Param] = {
    "zone": text(required=True),
    "alias": text(longest=256),
    "isolate-ports": flag(),
    "tag": integer(1, 16777215),
    "type": choice("vnet"),
    "vlanaware": flag(),
}
_CPU: Mapping[str, Param] = {
    "flags": text(),
    "guest-phys-bits": integer(32, 64),
    "hidden": flag(),
    "hv-vendor-id": text(),
    "level": integer(),
    "phys-bits": text(),
    "reported-model": text(),
}


def _rows(call: Call, document: str, key: str, **more: Any) -> list[dict[str, Any]]:
    rows = table(call.lab, document)
    return [{**more, key: name, "digest": digest(rows), **row} for name, row in sorted(rows.items())]


@route("GET", "/cluster/sdn/zones", params={"type": text(), "pending": flag(), "running": flag()})
def zones(call: Call) -> list[dict[str, Any]]:
    """Return the zones."""
    return _rows(call, "sdn-zones", "zone")


@route("POST", "/cluster/sdn/zones", check=may("/sdn/zones", "SDN.Allocate"), params={"zone": _NAME, **_ZONE})
def zone_create(call: Call) -> None:
    """Add a zone."""
    with changing(call.lab, "sdn-zones") as rows:
        if call.get("zone") in rows:
            raise broken(f"create sdn zone object failed: sdn zone object ID '{call.get('zone')}' already defined")
        rows[call.get("zone")] = given(call, _ZONE)


@route("DELETE", "/cluster/sdn/zones/{zone}", check=_ALLOCATE)
def zone_delete(call: Call) -> None:
    """Delete an unused zone."""
    name = call.get("zone")
    for vnet, row in table(call.lab, "sdn-vnets").items():
        if row["zone"] == name:
            raise broken(f"delete sdn zone object failed: zone {name} is used by vnet {vnet}")
    with changing(call.lab, "sdn-zones") as rows:
        if rows.pop(name, None) is None:
            raise broken(f"delete sdn zone object failed: sdn '{name}' does not exist")


@route("GET", "/cluster/sdn/vnets", params={"pending": flag(), "running": flag()})
def vnets(call: Call) -> list[dict[str, Any]]:
    """Return the virtual networks."""
    return _rows(call, "sdn-vnets", "vnet", type="vnet")


@route("POST", "/cluster/sdn/vnets", check=_ALLOCATE, params={"vnet": _NAME, **_VNET})
def vnet_create(call: Call) -> None:
    """Add a virtual network to a zone; a card may be attached to it like to a bridge."""
    if call.get("zone") not in table(call.lab, "sdn-zones"):
        raise broken("create sdn vnet object failed: cannot lookup undefined type!")
    with changing(call.lab, "sdn-vnets") as rows:
        if call.get("vnet") in rows:
            raise broken(f"create sdn vnet object failed: sdn vnet object ID '{call.get('vnet')}' already defined")
        rows[call.get("vnet")] = given(call, _VNET)


@route("DELETE", "/cluster/sdn/vnets/{vnet}", check=_ALLOCATE)
def vnet_delete(call: Call) -> None:
    """Delete a virtual network."""
    with changing(call.lab, "sdn-vnets") as rows:
        if rows.pop(call.get("vnet"), None) is None:
            raise broken(f"delete sdn vnet object failed: sdn '{call.get('vnet')}' does not exist")


@route("PUT", "/cluster/sdn", check=_ALLOCATE)
def apply(call: Call) -> str:
    """Apply the networks: there is nothing to do."""
    return call.lab.tasks.start(call.lab, "reloadnetworkall", "", call.caller.auth_id, lambda _task: None)


@route("GET", "/cluster/qemu/custom-cpu-models")
def cpu_models(call: Call) -> list[dict[str, Any]]:
    """Return the custom CPU models."""
    return _rows(call, "cpu-models", "cputype")


@route(
    "POST", "/cluster/qemu/custom-cpu-models", check=may("/", "Sys.Console"),
    params={"cputype": text(check=formats.config_id, required=True), **_CPU},
)  # fmt: skip
def cpu_model_create(call: Call) -> None:
    """Add a custom CPU model."""
    with changing(call.lab, "cpu-models") as rows:
        if call.get("cputype") in rows:
            raise broken(f"CPU model '{call.get('cputype')}' already exists")
        rows[call.get("cputype")] = given(call, _CPU)


@route("DELETE", "/cluster/qemu/custom-cpu-models/{cputype}", check=may("/", "Sys.Console"))
def cpu_model_delete(call: Call) -> None:
    """Delete a custom CPU model."""
    with changing(call.lab, "cpu-models") as rows:
        if rows.pop(call.get("cputype"), None) is None:
            raise broken(f"CPU model '{call.get('cputype')}' does not exist")
