"""Login: tickets, realms, permissions of the caller."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvekit.lab.access.accounts import REALMS, ROOT
from pvekit.lab.access.caller import Caller
from pvekit.lab.access.permissions import TOP_PATHS, allowed, demand, privileges
from pvekit.lab.call import Call
from pvekit.lab.errors import Refused, bad, broken, forbidden
from pvekit.lab.params import flag, text
from pvekit.lab.router import route

_CAPABILITIES = {
    "vms": ("VM.", "/vms"),
    "storage": ("Datastore.", "/storage"),
    "access": ("User.", "/access"),
    "dc": ("Sys.", "/"),
    "nodes": ("Sys.", "/nodes"),
    "sdn": ("SDN.", "/sdn"),
    "mapping": ("Mapping.", "/mapping"),
}


def _denied() -> Refused:
    return Refused(401, "authentication failure")


def capabilities(call: Call, caller: Caller) -> dict[str, dict[str, int]]:
    """Return what a user may do, as a login answer summarises it."""
    found: dict[str, dict[str, int]] = {}
    for name, (prefix, path) in _CAPABILITIES.items():
        held = privileges(call.lab, caller, path)
        found[name] = {key: 1 for key in held if key.startswith(prefix) or key == "Permissions.Modify"}
    return found


@route("GET", "/access/ticket", public=True)
def nothing(call: Call) -> None:
    """Return nothing: the path exists so that a client can tell whether the server is there."""


@route(
    "POST", "/access/ticket", public=True,
    params={"username": text(required=True, longest=64), "password": text(required=True), "realm": text(),
            "otp": text(), "new-format": flag(), "path": text(), "privs": text(), "tfa-challenge": text()},
)  # fmt: skip
def login(call: Call) -> dict[str, Any]:
    """Log in with a password, or renew a ticket by giving it as password."""
    user = call.get("username")
    if call.get("realm") and not user.endswith(f"@{call.get('realm')}"):
        user = f"{user}@{call.get('realm')}"
    secret = call.get("password")
    renewed = call.lab.accounts.active(user) and call.lab.tickets.user_of(secret) == user
    if not renewed and not call.lab.accounts.password_ok(user, secret):
        raise _denied()
    caller = Caller(user)
    return {
        "username": user,
        "ticket": call.lab.tickets.ticket(user),
        "CSRFPreventionToken": call.lab.tickets.csrf(user),
        "cap": capabilities(call, caller),
    }


@route("GET", "/access/domains", public=True)
def domains(_call: Call) -> list[dict[str, str]]:
    """Return the realms."""
    told = {"pam": "Linux PAM standard authentication", "pve": "Proxmox VE authentication server"}
    return [{"realm": realm, "type": realm, "comment": told[realm]} for realm in REALMS]


@route("GET", "/access")
def index(_call: Call) -> list[dict[str, str]]:
    """Return what can be asked here."""
    names = ("users", "groups", "roles", "acl", "domains", "openid", "tfa", "ticket", "vncticket", "password")
    return [{"subdir": name} for name in names]


@route("GET", "/access/tfa")
def second_factors(_call: Call) -> list[Any]:
    """Return no second factor."""
    return []


@route("GET", "/access/permissions", params={"path": text(), "userid": text()})
def permissions(call: Call) -> Mapping[str, Mapping[str, int]]:
    """Return the privileges of the caller (or of another user or token) by path."""
    caller = call.caller
    if call.get("userid"):
        user, _mark, token = call.get("userid").partition("!")
        caller = Caller(user, token)
        if caller.user != call.caller.user and not allowed(call.lab, call.caller, "/access", "Sys.Audit"):
            raise forbidden("/access, Sys.Audit")
    if call.get("path"):
        return {call.get("path"): dict(privileges(call.lab, caller, call.get("path")))}
    paths = {*TOP_PATHS, *(entry["path"] for entry in call.lab.accounts.acl)}
    found = {path: dict(privileges(call.lab, caller, path)) for path in sorted(paths)}
    return {path: held for path, held in found.items() if held}


@route(
    "PUT", "/access/password",
    params={"userid": text(required=True), "password": text(required=True, shortest=8, longest=64),
            "confirmation-password": text(shortest=5, longest=64)},
)  # fmt: skip
def password(call: Call) -> None:
    """Set a user's password; a token cannot."""
    if call.caller.token:
        raise forbidden("URI '/access/password' not available with API token, need proper ticket.\n")
    user = call.get("userid")
    if user not in call.lab.accounts.users:
        raise broken(f"no such user ('{user}')")
    if user != call.caller.user:
        demand(call.lab, call.caller, "/access/groups", "User.Modify")
        if user == ROOT and not call.caller.is_root:
            raise forbidden()
    if len(call.get("password")) < 5:
        raise bad(password="value must be at least 5 characters long")  # noqa: S106
    call.lab.accounts.set_password(user, call.get("password"))
