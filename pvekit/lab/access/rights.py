"""Groups, roles and access lists over the API."""

from __future__ import annotations

import re
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.permissions import allowed, demand, may
from pvekit.lab.access.roles import BUILT_IN, PRIVILEGES
from pvekit.lab.call import Call
from pvekit.lab.errors import FormatInvalid, bad, broken
from pvekit.lab.params import flag, text
from pvekit.lab.router import route

_GROUP = text(pattern=r"[A-Za-z0-9.\-_]+", required=True)
_PATHS = re.compile(
    r"/|/access|/access/groups(/[\w.\-]+)?|/access/realm(/[\w.\-]+)?|/mapping|/mapping/(dir|pci|usb)(/[\w.\-]+)?"
    r"|/nodes(/[\w.\-]+)?|/pool|/pool/[\w.\-]+(/[\w.\-]+){0,2}|/sdn|/sdn/(controllers|dns|ipams|fabrics)(/[\w.\-]+)?"
    r"|/sdn/zones|/sdn/zones/[\w.\-]+(/[\w.\-]+(/\d+)?)?|/storage(/[\w.\-]+)?|/vms(/[1-9]\d{2,})?"
)


def _privileges(value: str) -> None:
    for name in formats.words(value):
        if name not in PRIVILEGES:
            raise FormatInvalid(f"invalid privilege '{name}'")


_PRIVS = text(check=_privileges)


@route("GET", "/access/groups")
def groups(call: Call) -> list[dict[str, Any]]:
    """Return the groups that the caller may see."""
    rows = []
    for name, group in sorted(call.lab.accounts.groups.items()):
        if allowed(call.lab, call.caller, f"/access/groups/{name}", "User.Modify", "Sys.Audit", "Group.Allocate"):
            rows.append({"groupid": name, "users": ",".join(_members(call, name)), **group})
    return rows


def _members(call: Call, name: str) -> list[str]:
    return sorted(user for user, entry in call.lab.accounts.users.items() if name in entry.get("groups", ()))


@route(
    "POST", "/access/groups", check=may("/access/groups", "Group.Allocate"),
    params={"groupid": _GROUP, "comment": text()},
)  # fmt: skip
def group_create(call: Call) -> None:
    """Add a group."""
    name = call.get("groupid")
    with call.lab.accounts.change("groups") as found:
        if name in found:
            raise broken(f"create group failed: group '{name}' already exists")
        found[name] = {"comment": call.get("comment")} if "comment" in call.params else {}


@route(
    "GET", "/access/groups/{groupid}", check=may("/access/groups", "Sys.Audit", "Group.Allocate"),
    params={"groupid": _GROUP},
)  # fmt: skip
def group_read(call: Call) -> dict[str, Any]:
    """Return one group."""
    name = call.get("groupid")
    if name not in call.lab.accounts.groups:
        raise broken(f"group '{name}' does not exist")
    return {"members": _members(call, name), **call.lab.accounts.groups[name]}


@route(
    "PUT", "/access/groups/{groupid}", check=may("/access/groups", "Group.Allocate"),
    params={"groupid": _GROUP, "comment": text()},
)  # fmt: skip
def group_write(call: Call) -> None:
    """Change a group's comment."""
    with call.lab.accounts.change("groups") as found:
        if call.get("groupid") not in found:
            raise broken(f"group '{call.get('groupid')}' does not exist")
        found[call.get("groupid")]["comment"] = call.get("comment")


@route("DELETE", "/access/groups/{groupid}", check=may("/access/groups", "Group.Allocate"), params={"groupid": _GROUP})
def group_delete(call: Call) -> None:
    """Delete a group."""
    name = call.get("groupid")
    with call.lab.accounts.change("groups") as found:
        if name not in found:
            raise broken(f"delete group failed: group '{name}' does not exist")
        del found[name]
    with call.lab.accounts.change("acl") as acl:
        acl[:] = [entry for entry in acl if (entry["type"], entry["ugid"]) != ("group", name)]
    with call.lab.accounts.change("users") as users:
        for entry in users.values():
            entry["groups"] = [one for one in entry.get("groups", ()) if one != name]


@route("GET", "/access/roles")
def roles(call: Call) -> list[dict[str, Any]]:
    """Return all roles."""
    return [
        {"roleid": name, "privs": ",".join(sorted(held)), "special": int(name in BUILT_IN)}
        for name, held in sorted(call.lab.accounts.roles.items())
    ]


@route(
    "POST", "/access/roles", check=may("/access", "Sys.Modify"),
    params={"roleid": text(pattern=r"[A-Za-z0-9.\-_]+", required=True), "privs": _PRIVS},
)  # fmt: skip
def role_create(call: Call) -> None:
    """Add a role."""
    name = call.get("roleid")
    if name.lower().startswith("pve"):
        raise bad(roleid="cannot use role ID starting with the (case-insensitive) 'PVE' namespace")
    with call.lab.accounts.change("roles") as found:
        if name in found or name in BUILT_IN:
            raise broken(f"create role failed: role '{name}' already exists")
        found[name] = sorted(formats.words(call.get("privs")))


@route("GET", "/access/roles/{roleid}")
def role_read(call: Call) -> dict[str, int]:
    """Return a role's privileges."""
    held = call.lab.accounts.roles.get(call.get("roleid"))
    if held is None:
        raise broken(f"role '{call.get('roleid')}' does not exist")
    return dict.fromkeys(sorted(held), 1)


@route("PUT", "/access/roles/{roleid}", check=may("/access", "Sys.Modify"), params={"privs": _PRIVS, "append": flag()})
def role_write(call: Call) -> None:
    """Change a role's privileges."""
    name = call.get("roleid")
    if name in BUILT_IN:
        raise broken(f"auto-generated role '{name}' cannot be modified")
    with call.lab.accounts.change("roles") as found:
        if name not in found:
            raise broken(f"role '{name}' does not exist")
        kept = found[name] if call.flag("append") else []
        found[name] = sorted({*kept, *formats.words(call.get("privs"))})


@route("DELETE", "/access/roles/{roleid}", check=may("/access", "Sys.Modify"))
def role_delete(call: Call) -> None:
    """Delete a role."""
    name = call.get("roleid")
    if name in BUILT_IN:
        raise broken(f"auto-generated role '{name}' cannot be deleted")
    with call.lab.accounts.change("roles") as found:
        if name not in found:
            raise broken(f"role '{name}' does not exist")
        del found[name]


@route("GET", "/access/acl")
def acl(call: Call) -> list[dict[str, Any]]:
    """Return the access lists that the caller may see."""
    everything = allowed(call.lab, call.caller, "/access", "Sys.Audit", "Permissions.Modify")
    return [
        dict(entry)
        for entry in call.lab.accounts.acl
        if everything or allowed(call.lab, call.caller, entry["path"], "Permissions.Modify")
    ]


@route(
    "PUT",
    "/access/acl",
    params={
        "path": text(required=True),
        "roles": text(required=True),
        "users": text(),
        "groups": text(),
        "tokens": text(),
        "propagate": flag(),
        "delete": flag(),
    },
)
def acl_write(call: Call) -> None:
    """Give roles on a path, or take them away."""
    path = "/" + call.get("path").strip("/")
    if not _PATHS.fullmatch(path):
        raise bad(path=f"invalid ACL path '{call.get('path')}'")
    demand(call.lab, call.caller, path, "Permissions.Modify")
    named = [*_named(call, "users"), *_named(call, "groups"), *_named(call, "tokens")]
    if not named:
        raise bad(users="either 'users', 'groups' or 'tokens' is required.")
    role_names = formats.words(call.get("roles"))
    for role in role_names:
        if role not in call.lab.accounts.roles:
            raise broken(f"ACL update failed: role '{role}' does not exist")
    with call.lab.accounts.change("acl") as entries:
        for kind, who in named:
            for role in role_names:
                entries[:] = [
                    one for one in entries
                    if (one["path"], one["type"], one["ugid"], one["roleid"]) != (path, kind, who, role)
                ]  # fmt: skip
                if not call.flag("delete"):
                    entries.append(
                        {"path": path, "type": kind, "ugid": who, "roleid": role,
                         "propagate": int(call.flag("propagate", default=True))}
                    )  # fmt: skip


def _named(call: Call, param: str) -> list[tuple[str, str]]:
    """Return kind and id of everybody the parameter names; Refused if one of them does not exist."""
    users, kind = call.lab.accounts.users, param.removesuffix("s")
    known: dict[str, set[str]] = {
        "user": set(users),
        "group": set(call.lab.accounts.groups),
        "token": {f"{user}!{token}" for user, entry in users.items() for token in entry.get("tokens", {})},
    }
    names = formats.words(call.get(param))
    for name in names:
        if name not in known[kind]:
            raise broken(f"ACL update failed: {kind} '{name}' does not exist")
    return [(kind, name) for name in names]
