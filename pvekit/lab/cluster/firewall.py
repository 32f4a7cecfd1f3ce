"""Firewall settings of cluster, node and VM: kept and shown, never enforced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pvekit.lab.access.permissions import may
from pvekit.lab.call import Call
from pvekit.lab.cluster.documents import changing, digest, given, table
from pvekit.lab.errors import FormatInvalid, bad, broken
from pvekit.lab.params import Param, choice, flag, integer, text
from pvekit.lab.router import Check, route

_POLICY = choice("ACCEPT", "REJECT", "DROP")
_OPTIONS: Mapping[str, Param] = {
    "dhcp": flag(), "ebtables": flag(), "enable": integer(0), "ipfilter": flag(), "log_level_in": text(),
    "log_level_out": text(), "log_ratelimit": text(), "macfilter": flag(), "ndp": flag(), "nftables": flag(),
    "nosmurfs": flag(), "policy_forward": choice("ACCEPT", "DROP"), "policy_in": _POLICY, "policy_out": _POLICY,
    "radv": flag(), "tcpflags": flag(), "delete": text(), "digest": text(),
}  # fmt: skip


def _port(value: str) -> None:
    for part in re.split(r"[,:]", value):
        known = part in {"ssh", "http", "https", "smtp", "dns", "ntp", "domain", "ftp", "rdp", "smb"}
        if not known and not (part.isdigit() and int(part) < 65536):
            raise FormatInvalid(f"invalid port '{value}'")


_RULE: Mapping[str, Param] = {
    "action": text(pattern=r"[A-Za-z][A-Za-z0-9\-_]+", longest=20, required=True),
    "type": choice("in", "out", "forward", "group").needed(),
    "comment": text(), "dest": text(), "dport": text(check=_port), "enable": integer(0), "icmp-type": text(),
    "iface": text(), "log": text(), "macro": text(), "pos": integer(0), "proto": text(), "source": text(),
    "sport": text(check=_port), "digest": text(),
}  # fmt: skip
_NAME = text(pattern=r"[A-Za-z][A-Za-z0-9\-_]+", required=True)
_SCOPES: Mapping[str, tuple[str, Check, Check]] = {
    "cluster": ("/cluster/firewall", may("/", "Sys.Audit"), may("/", "Sys.Modify")),
    "node": ("/nodes/{node}/firewall", may("/nodes/{node}", "Sys.Audit"), may("/nodes/{node}", "Sys.Modify")),
    "vm": (
        "/nodes/{node}/qemu/{vmid}/firewall",
        may("/vms/{vmid}", "VM.Audit"),
        may("/vms/{vmid}", "VM.Config.Network"),
    ),
}


def _key(call: Call) -> str:
    return f"firewall-{call.params.get('vmid') or call.params.get('node') or 'cluster'}"


def _part(call: Call, name: str, empty: Any) -> Any:
    return table(call.lab, _key(call)).get(name, empty)


def _register(base: str, audit: Check, modify: Check) -> None:
    @route("GET", base, check=audit)
    def index(_call: Call) -> list[dict[str, str]]:
        return [{"name": name} for name in ("aliases", "ipset", "log", "options", "refs", "rules")]

    @route("GET", base + "/options", check=audit)
    def options(call: Call) -> dict[str, Any]:
        found = _part(call, "options", {})
        return {**found, "digest": digest(found)}

    @route("PUT", base + "/options", check=modify, params=_OPTIONS)
    def options_write(call: Call) -> None:
        with changing(call.lab, _key(call)) as rows:
            rows["options"] = {**rows.get("options", {}), **given(call, _OPTIONS, "delete", "digest")}

    @route("GET", base + "/rules", check=audit)
    def rules(call: Call) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _part(call, "rules", [])
        return [{**rule, "pos": number, "digest": digest({"rules": found})} for number, rule in enumerate(found)]

    @route("POST", base + "/rules", check=modify, params=_RULE)
    def rule_create(call: Call) -> None:
        with changing(call.lab, _key(call)) as rows:
            rows["rules"] = [given(call, _RULE, "pos", "digest"), *rows.get("rules", [])]

    @route("DELETE", base + "/rules/{pos}", check=modify, params={"pos": integer(0, required=True), "digest": text()})
    def rule_delete(call: Call) -> None:
        with changing(call.lab, _key(call)) as rows:
            found = list(rows.get("rules", []))
            if call.number("pos") >= len(found):
                raise broken(f"no rule at position {call.number('pos')}")
            del found[call.number("pos")]
            rows["rules"] = found

    _register_named(base, audit, modify)


def _register_named(base: str, audit: Check, modify: Check) -> None:
    """Register aliases and IP sets."""

    @route("GET", base + "/aliases", check=audit)
    def aliases(call: Call) -> list[dict[str, Any]]:
        return [{"name": name, **row} for name, row in _part(call, "aliases", {}).items()]

    @route("POST", base + "/aliases", check=modify,
           params={"name": _NAME, "cidr": text(required=True), "comment": text()})  # fmt: skip
    def alias_create(call: Call) -> None:
        _add(call, "aliases", {"cidr": call.get("cidr")})

    @route("GET", base + "/ipset", check=audit)
    def ipsets(call: Call) -> list[dict[str, Any]]:
        return [{"name": name} for name in _part(call, "ipset", {})]

    @route("POST", base + "/ipset", check=modify, params={"name": _NAME, "comment": text(), "rename": text()})
    def ipset_create(call: Call) -> None:
        _add(call, "ipset", {"entries": []})

    @route("POST", base + "/ipset/{name}", check=modify,
           params={"cidr": text(required=True), "comment": text(), "nomatch": flag()})  # fmt: skip
    def ipset_add(call: Call) -> None:
        with changing(call.lab, _key(call)) as rows:
            sets = rows.get("ipset", {})
            if call.get("name") not in sets:
                raise broken(f"no such IPSet '{call.get('name')}'")
            entries = [*sets[call.get("name")]["entries"], {"cidr": call.get("cidr")}]
            rows["ipset"] = {**sets, call.get("name"): {"entries": entries}}

    @route("GET", base + "/ipset/{name}", check=audit)
    def ipset_read(call: Call) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _part(call, "ipset", {}).get(call.get("name"), {}).get("entries", [])
        return found


def _add(call: Call, part: str, row: Mapping[str, Any]) -> None:
    with changing(call.lab, _key(call)) as rows:
        if call.get("name") in rows.get(part, {}):
            raise bad(name=f"{part} '{call.get('name')}' already exists")
        rows[part] = {**rows.get(part, {}), call.get("name"): dict(row)}


for _scope in _SCOPES.values():
    _register(*_scope)


@route("GET", "/cluster/firewall/groups", check=may("/", "Sys.Audit"))
def groups(call: Call) -> list[dict[str, Any]]:
    """Return the security groups."""
    return [{"group": name} for name in table(call.lab, "firewall-groups")]


@route("POST", "/cluster/firewall/groups", check=may("/", "Sys.Modify"), params={"group": _NAME, "comment": text()})
def group_create(call: Call) -> None:
    """Add a security group."""
    with changing(call.lab, "firewall-groups") as rows:
        if call.get("group") in rows:
            raise bad(group=f"Security group '{call.get('group')}' already exists")
        rows[call.get("group")] = {}


@route("DELETE", "/cluster/firewall/groups/{group}", check=may("/", "Sys.Modify"))
def group_delete(call: Call) -> None:
    """Delete a security group."""
    with changing(call.lab, "firewall-groups") as rows:
        rows.pop(call.get("group"), None)


@route("GET", "/cluster/firewall/macros")
def macros(_call: Call) -> list[dict[str, str]]:
    """Return a few macros."""
    return [{"macro": name, "descr": f"{name} traffic"} for name in ("DNS", "HTTP", "HTTPS", "Ping", "RDP", "SSH")]
