"""Network interfaces: what the API shows and keeps; nothing of it changes the machine.

``vmbr0`` is where guests are attached by default. Guests have user-mode networking behind every bridge.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, may
from pvekit.lab.call import Call, Reply
from pvekit.lab.errors import bad, broken
from pvekit.lab.params import Param, choice, flag, integer, text
from pvekit.lab.router import route

MODIFY = may("/nodes/{node}", "Sys.Modify")
TYPES = (
    "bridge", "bond", "eth", "alias", "vlan", "fabric", "OVSBridge", "OVSBond", "OVSPort", "OVSIntPort", "vnet",
    "unknown",
)  # fmt: skip
DEFAULT: dict[str, dict[str, Any]] = {
    "nic0": {"type": "eth", "method": "manual", "method6": "manual", "active": 1, "exists": 1, "priority": 3,
             "families": ["inet"]},
    "vmbr0": {"type": "bridge", "method": "static", "method6": "manual", "active": 1, "autostart": 1, "priority": 4,
              "families": ["inet"], "address": "10.0.2.2", "netmask": "24", "cidr": "10.0.2.2/24",
              "bridge_ports": "nic0", "bridge_fd": "0", "bridge_stp": "off"},
}  # fmt: skip
_FIELDS: Mapping[str, Param] = {
    "type": choice(*TYPES).needed(),
    "autostart": flag(),
    "address": text(check=formats.ipv4),
    "netmask": text(),
    "gateway": text(check=formats.ipv4),
    "cidr": text(check=formats.cidr_v4),
    "address6": text(check=formats.ipv6),
    "netmask6": integer(0, 128),
    "cidr6": text(),
    "gateway6": text(check=formats.ipv6),
    "comments": text(),
    "comments6": text(),
    "mtu": integer(1280, 65520),
    "bridge_ports": text(),
    "bridge_vlan_aware": flag(),
    "bridge_vids": text(),
    "bond_mode": text(),
    "bond-primary": text(),
    "bond_xmit_hash_policy": text(),
    "slaves": text(),
    "vlan-id": integer(1, 4094),
    "vlan-raw-device": text(),
    "ovs_bonds": text(),
    "ovs_bridge": text(),
    "ovs_options": text(),
    "ovs_ports": text(),
    "ovs_tag": integer(1, 4094),
    "delete": text(),
}
IFACE = text(pattern=r"[a-zA-Z][a-zA-Z0-9_]{1,20}([:.]\d+)?", required=True)


def _interfaces(call: Call) -> dict[str, dict[str, Any]]:
    return dict(call.lab.cluster.get(f"network-{call.node}") or DEFAULT)


def _keep(call: Call, interfaces: Mapping[str, Any]) -> None:
    call.lab.cluster.put(f"network-{call.node}", dict(interfaces))


@route("GET", "/nodes/{node}/network", params={"type": choice(*TYPES, "any_bridge", "any_local_bridge", "include_sdn")})
def listing(call: Call) -> Reply:
    """Return the interfaces; bridges only where the caller may use or see them."""
    wanted = call.get("type")
    kinds = {"bridge", "OVSBridge"} if wanted.startswith("any") or wanted == "include_sdn" else {wanted}
    rows = [
        {**fields, "iface": name}
        for name, fields in _interfaces(call).items()
        if (not wanted or fields["type"] in kinds) and _sees(call, name, fields)
    ]
    return Reply(rows)


def _sees(call: Call, name: str, fields: Mapping[str, Any]) -> bool:
    if fields["type"] not in {"bridge", "OVSBridge", "vnet"}:
        return True
    return allowed(call.lab, call.caller, f"/sdn/zones/localnetwork/{name}", "SDN.Audit", "SDN.Use")


@route("GET", "/nodes/{node}/network/{iface}", check=may("/nodes/{node}", "Sys.Audit"))
def one(call: Call) -> dict[str, Any]:
    """Return one interface."""
    found = _interfaces(call).get(call.get("iface"))
    if found is None:
        raise bad(iface="interface does not exist")
    return found


def _fields(call: Call) -> dict[str, Any]:
    fields: dict[str, Any] = {
        key: int(value) if _FIELDS[key].kind in {"integer", "boolean"} else value
        for key, value in call.params.items()
        if key in _FIELDS and key != "delete"
    }
    if "cidr" in fields:
        network = ipaddress.ip_interface(fields["cidr"])
        fields.update({"address": str(network.ip), "netmask": str(network.network.prefixlen)})
    return fields


@route("POST", "/nodes/{node}/network", check=MODIFY, params={**_FIELDS, "iface": IFACE})
def create(call: Call) -> None:
    """Add an interface."""
    interfaces, name = _interfaces(call), call.get("iface")
    if name in interfaces:
        raise bad(iface="interface already exists")
    fields = _fields(call)
    method = "static" if "address" in fields else "manual"
    extra = {"bridge_fd": "0", "bridge_stp": "off"} if fields["type"] == "bridge" else {}
    interfaces[name] = {
        "method": method, "method6": "manual", "families": ["inet"], "priority": len(interfaces) + 3, **extra, **fields,
    }  # fmt: skip
    _keep(call, interfaces)


@route("PUT", "/nodes/{node}/network/{iface}", check=MODIFY, params=_FIELDS)
def change(call: Call) -> None:
    """Change an interface."""
    interfaces, name = _interfaces(call), call.get("iface")
    if name not in interfaces:
        raise bad(iface="interface does not exist")
    interfaces[name] = {**interfaces[name], **_fields(call)}
    _keep(call, interfaces)


@route("DELETE", "/nodes/{node}/network/{iface}", check=MODIFY)
def delete(call: Call) -> None:
    """Remove an interface."""
    interfaces, name = _interfaces(call), call.get("iface")
    if name not in interfaces:
        raise bad(iface="interface does not exist")
    if name in DEFAULT:
        raise broken(f"'{name}' is what the embedded node's guests are attached to")
    del interfaces[name]
    _keep(call, interfaces)


@route("DELETE", "/nodes/{node}/network", check=MODIFY)
def revert(call: Call) -> None:
    """Revert changes: they are in force at once here, so there is nothing to revert."""


@route("PUT", "/nodes/{node}/network", check=MODIFY, params={"regenerate-frr": flag()})
def reload(call: Call) -> str:
    """Reload the network: nothing of the machine changes."""
    return call.lab.tasks.start(
        call.lab, "srvreload", "networking", call.caller.auth_id, lambda _task: None, node=call.node
    )  # fmt: skip
