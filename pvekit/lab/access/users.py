"""Users and their tokens over the API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pvekit.lab import formats
from pvekit.lab.access.accounts import ROOT
from pvekit.lab.access.caller import Caller
from pvekit.lab.access.permissions import allowed, demand
from pvekit.lab.call import Call
from pvekit.lab.errors import bad, broken, forbidden
from pvekit.lab.params import Param, flag, integer, text
from pvekit.lab.router import route

_FIELDS: Mapping[str, Param] = {
    "comment": text(longest=2048),
    "email": text(),
    "enable": flag(),
    "expire": integer(0),
    "firstname": text(longest=1024),
    "lastname": text(longest=1024),
    "groups": text(),
    "keys": text(),
}
_TOKEN: Mapping[str, Param] = {"comment": text(), "expire": integer(0), "privsep": flag()}
_USER = text(longest=64, required=True)
SHOWN = ("enable", "expire", "comment", "email", "firstname", "lastname", "keys")


def fields(call: Call, declared: Mapping[str, Param]) -> dict[str, Any]:
    """Return the request's fields of these names, numbers as numbers."""
    return {
        key: int(value) if declared[key].kind in {"integer", "boolean"} else value
        for key, value in call.params.items()
        if key in declared
    }


def _user(call: Call) -> dict[str, Any]:
    name = call.get("userid")
    entry = call.lab.accounts.users.get(name)
    if entry is None:
        raise broken(f"no such user ('{name}')")
    return entry


def _may_modify(call: Call) -> None:
    user = call.get("userid")
    if allowed(call.lab, call.caller, "/access/groups", "User.Modify"):
        return
    for group in call.lab.accounts.users.get(user, {}).get("groups", ()):
        if allowed(call.lab, call.caller, f"/access/groups/{group}", "User.Modify"):
            return
    raise forbidden("/access/groups, User.Modify")


def _row(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {key: entry[key] for key in SHOWN if key in entry}
    return {"userid": name, "realm-type": name.rpartition("@")[2], **shown}


@route("GET", "/access/users", params={"enabled": flag(), "full": flag()})
def listing(call: Call) -> list[dict[str, Any]]:
    """Return the users that the caller may see."""
    everything = allowed(call.lab, call.caller, "/access/groups", "User.Modify", "Sys.Audit")
    rows = []
    for name, entry in sorted(call.lab.accounts.users.items()):
        if not everything and (name != call.caller.user or call.caller.token):
            continue
        if "enabled" in call.params and bool(entry.get("enable", 1)) != call.flag("enabled"):
            continue
        row = _row(name, entry)
        if call.flag("full"):
            row["groups"] = ",".join(entry.get("groups", ()))
            row["tokens"] = [{"tokenid": key, **_token_row(one)} for key, one in entry.get("tokens", {}).items()]
        rows.append(row)
    return rows


@route("POST", "/access/users", params={"userid": _USER, "password": text(shortest=8, longest=64), **_FIELDS})
def create(call: Call) -> None:
    """Add a user."""
    name = call.get("userid")
    if not re.fullmatch(r"[^\s:/]+@[A-Za-z][A-Za-z0-9.\-_]+", name):
        raise broken(f"value '{name}' does not look like a valid user name")
    demand(call.lab, call.caller, f"/access/realm/{name.rpartition('@')[2]}", "Realm.AllocateUser")
    with call.lab.accounts.change("users") as users:
        if name in users:
            raise broken(f"create user failed: user '{name}' already exists")
        made = {"enable": 1, "expire": 0, "tokens": {}, **fields(call, _FIELDS)}
        made["groups"] = _groups(call, call.get("groups"))
        users[name] = made
    if "password" in call.params:
        call.lab.accounts.set_password(name, call.get("password"))


def _groups(call: Call, told: str) -> list[str]:
    names = formats.words(told)
    for name in names:
        if name not in call.lab.accounts.groups:
            raise broken(f"no such group '{name}'")
    return names


@route("GET", "/access/users/{userid}", params={"userid": _USER})
def read(call: Call) -> dict[str, Any]:
    """Return one user."""
    if call.get("userid") != call.caller.user and not allowed(
        call.lab, call.caller, "/access/groups", "User.Modify", "Sys.Audit"
    ):
        raise forbidden("/access/groups, User.Modify|Sys.Audit")
    entry = _user(call)
    tokens = {name: _token_row(token) for name, token in entry.get("tokens", {}).items()}
    shown = {key: entry[key] for key in SHOWN if key in entry}
    return {**shown, "groups": list(entry.get("groups", ())), "tokens": tokens or None}


@route("PUT", "/access/users/{userid}", params={"userid": _USER, "append": flag(), **_FIELDS})
def write(call: Call) -> None:
    """Change a user."""
    _may_modify(call)
    _user(call)
    changes = fields(call, _FIELDS)
    with call.lab.accounts.change("users") as users:
        entry = users[call.get("userid")]
        if "groups" in changes:
            named = _groups(call, call.get("groups"))
            kept = entry.get("groups", ()) if call.flag("append") else ()
            changes["groups"] = sorted({*kept, *named})
        entry.update(changes)


@route("DELETE", "/access/users/{userid}", params={"userid": _USER})
def delete(call: Call) -> None:
    """Delete a user with its tokens and rights."""
    _may_modify(call)
    _user(call)
    name = call.get("userid")
    if name == ROOT:
        raise broken("root@pam cannot be deleted")
    with call.lab.accounts.change("users") as users:
        del users[name]
    with call.lab.accounts.change("acl") as acl:
        acl[:] = [entry for entry in acl if entry["ugid"] != name and not entry["ugid"].startswith(f"{name}!")]


def _token_row(token: Mapping[str, Any]) -> dict[str, Any]:
    return {key: token[key] for key in ("privsep", "expire", "comment") if key in token}


def _may_token(call: Call) -> None:
    """Let users manage their own tokens (not with a token), and those who manage users all."""
    own = call.caller == Caller(call.get("userid"))
    if not own and not allowed(call.lab, call.caller, "/access/groups", "User.Modify"):
        raise forbidden("/access/groups, User.Modify")


def _token(call: Call) -> dict[str, Any]:
    found: dict[str, Any] | None = _user(call).get("tokens", {}).get(call.get("tokenid"))
    if found is None:
        raise broken(f"no such token '{call.get('tokenid')}' for user '{call.get('userid')}'")
    return found


_BASE = "/access/users/{userid}/token"
_TOKEN_PATH = {"userid": _USER, "tokenid": text(pattern=r"[A-Za-z][A-Za-z0-9.\-_]+", required=True)}


@route("GET", _BASE, params={"userid": _USER})
def tokens(call: Call) -> list[dict[str, Any]]:
    """Return a user's tokens, without their secrets."""
    _may_token(call)
    return [{"tokenid": name, **_token_row(token)} for name, token in _user(call).get("tokens", {}).items()]


@route("GET", _BASE + "/{tokenid}", params=_TOKEN_PATH)
def token_read(call: Call) -> dict[str, Any]:
    """Return one token."""
    _may_token(call)
    return _token_row(_token(call))


@route("POST", _BASE + "/{tokenid}", params={**_TOKEN_PATH, **_TOKEN})
def token_create(call: Call) -> dict[str, Any]:
    """Make a token; its secret is in this answer only."""
    _may_token(call)
    user, name = call.get("userid"), call.get("tokenid")
    if name in _user(call).get("tokens", {}):
        raise bad(tokenid="Token already exists.")
    secret = call.lab.accounts.add_token(
        user, name, privsep=call.flag("privsep", default=True), expire=call.number("expire"),
        comment=call.get("comment"),
    )  # fmt: skip
    info: dict[str, Any] = {"privsep": 1, **{key: value for key, value in call.params.items() if key in _TOKEN}}
    return {"full-tokenid": f"{user}!{name}", "value": secret, "info": info}


@route("PUT", _BASE + "/{tokenid}", params={**_TOKEN_PATH, **_TOKEN, "delete": text(), "regenerate": flag()})
def token_write(call: Call) -> dict[str, Any]:
    """Change a token, or give it a new secret."""
    _may_token(call)
    _token(call)
    user, name = call.get("userid"), call.get("tokenid")
    with call.lab.accounts.change("users") as users:
        users[user]["tokens"][name].update(fields(call, _TOKEN))
        for key in formats.words(call.get("delete")):
            users[user]["tokens"][name].pop(key if key == "comment" else "", None)
    shown = _token_row(_token(call))
    if call.flag("regenerate"):
        return {**shown, "full-tokenid": f"{user}!{name}", "value": call.lab.accounts.renew_token(user, name)}
    return shown


@route("DELETE", _BASE + "/{tokenid}", params=_TOKEN_PATH)
def token_delete(call: Call) -> None:
    """Delete a token and its rights."""
    _may_token(call)
    _token(call)
    user, name = call.get("userid"), call.get("tokenid")
    with call.lab.accounts.change("users") as users:
        del users[user]["tokens"][name]
    with call.lab.accounts.change("acl") as acl:
        acl[:] = [entry for entry in acl if entry["ugid"] != f"{user}!{name}"]
