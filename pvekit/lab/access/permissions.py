"""What a caller may do on a path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pvekit.lab.access.caller import Caller
from pvekit.lab.access.roles import PRIVILEGES
from pvekit.lab.errors import forbidden

if TYPE_CHECKING:
    from pvekit.lab.call import Call
    from pvekit.lab.lab import Lab

TOP_PATHS = ("/", "/access", "/access/groups", "/mapping", "/nodes", "/pool", "/sdn", "/storage", "/vms")


def _prefixes(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/", *("/" + "/".join(parts[: index + 1]) for index in range(len(parts)))]


def _roles_on(lab: Lab, kind: str, name: str, path: str) -> dict[str, int]:
    """Return the roles by ACL alone, each with its propagate flag; deeper entries replace those above."""
    groups = set(lab.accounts.users.get(name, {}).get("groups", ())) if kind == "user" else set()
    found: dict[str, int] = {}
    for prefix in _prefixes(path):
        here = [entry for entry in lab.accounts.acl if entry["path"] == prefix]
        here = [entry for entry in here if prefix == path or entry.get("propagate", 1)]
        own = [entry for entry in here if entry["type"] == kind and entry["ugid"] == name]
        if not own:
            own = [entry for entry in here if entry["type"] == "group" and entry["ugid"] in groups]
        if own:
            found = {entry["roleid"]: int(entry.get("propagate", 1)) for entry in own}
    return {} if "NoAccess" in found else found


def _with_pool(lab: Lab, kind: str, name: str, path: str) -> dict[str, int]:
    found = _roles_on(lab, kind, name, path)
    match = re.fullmatch(r"/(vms|storage)/(.+)", path)
    if match:
        pool = lab.pool_of_vm(match[2]) if match[1] == "vms" else lab.pool_of_storage(match[2])
        if pool:
            found = {**_roles_on(lab, kind, name, f"/pool/{pool}"), **found}
    return found


def privileges(lab: Lab, caller: Caller, path: str) -> Mapping[str, int]:
    """Return the caller's privileges on the path, each with 1 if it also holds below."""
    user = _user_privileges(lab, caller.user, path)
    if not caller.token:
        return user
    token = lab.accounts.users.get(caller.user, {}).get("tokens", {}).get(caller.token, {})
    if not int(token.get("privsep", 1)):
        return user
    own = _expand(lab, _with_pool(lab, "token", caller.auth_id, path))
    return {name: min(flag, user[name]) for name, flag in own.items() if name in user}


def _user_privileges(lab: Lab, user: str, path: str) -> Mapping[str, int]:
    if user == "root@pam":
        return dict.fromkeys(PRIVILEGES, 1)
    return _expand(lab, _with_pool(lab, "user", user, path))


def _expand(lab: Lab, roles: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for role, propagate in roles.items():
        for name in lab.accounts.roles.get(role, ()):
            found[name] = max(propagate, found.get(name, 0))
    return found


def allowed(lab: Lab, caller: Caller, path: str, *needed: str) -> bool:
    """Return whether the caller has at least one of the privileges on the path."""
    if caller.user == "root@pam" and not caller.token:
        return True
    held = privileges(lab, caller, path)
    return any(name in held for name in needed)


def demand(lab: Lab, caller: Caller, path: str, *needed: str) -> None:
    """Raise the 403 unless the caller has at least one of the privileges on the path."""
    if not valid_path(path):
        raise forbidden(f", {'|'.join(needed)}")
    if not allowed(lab, caller, path, *needed):
        raise forbidden(f"{path}, {'|'.join(needed)}")


def demand_all(lab: Lab, caller: Caller, path: str, needed: Iterable[str]) -> None:
    """Raise the 403 unless the caller has every privilege on the path."""
    for name in needed:
        demand(lab, caller, path, name)


def valid_path(path: str) -> bool:
    """Return whether PVE would take this as a path of objects."""
    return bool(re.fullmatch(r"(/[a-zA-Z0-9.\-_:]+)+|/", path)) if "!" not in path else False


def may(template: str, *needed: str) -> Callable[[Call], None]:
    """Return the check that one of the privileges is held on the path, its ``{names}`` filled in."""

    def check(call: Call) -> None:
        path = re.sub(r"{([\w-]+)}", lambda match: call.params.get(match[1], ""), template)
        demand(call.lab, call.caller, path, *needed)

    return check
