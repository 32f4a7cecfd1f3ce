"""Users, groups, roles, tokens and access lists, on disk.

Passwords are kept as scrypt, token secrets (random UUIDs) as SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pvekit.lab.access.roles import BUILT_IN
from pvekit.lab.store import Store

REALMS = ("pam", "pve")
ROOT = "root@pam"


def hash_password(password: str) -> str:
    """Return salt and scrypt hash of a password."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, n=4096, r=8, p=1).hex()}"


def password_fits(password: str, stored: str) -> bool:
    """Return whether the password is the stored one."""
    salt, _sign, expected = stored.partition("$")
    found = hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=4096, r=8, p=1).hex()
    return hmac.compare_digest(found, expected)


class Accounts:
    """The access database: documents ``users``, ``groups``, ``roles`` and ``acl``."""

    def __init__(self, folder: Path) -> None:
        """Load it; a new one holds root@pam without a password."""
        self._store = Store(folder)
        self._lock = threading.RLock()
        if "users" not in self._store:
            self._store.put("users", {ROOT: {"enable": 1, "expire": 0, "tokens": {}}})
        for name, empty in (("groups", {}), ("roles", {}), ("acl", [])):
            if name not in self._store:
                self._store.put(name, empty)

    @contextmanager
    def change(self, name: str) -> Iterator[Any]:
        """Give a copy of one document to change; it is written when the block ends without an exception."""
        with self._lock:
            document = _copy(self._store.get(name))
            yield document
            self._store.put(name, document)

    @property
    def users(self) -> Mapping[str, dict[str, Any]]:
        """Return the users by id."""
        users: Mapping[str, dict[str, Any]] = self._store.get("users") or {}
        return users

    @property
    def groups(self) -> Mapping[str, dict[str, Any]]:
        """Return the groups by id."""
        groups: Mapping[str, dict[str, Any]] = self._store.get("groups") or {}
        return groups

    @property
    def acl(self) -> list[dict[str, Any]]:
        """Return the access list: path, type (user, group, token), ugid, roleid, propagate."""
        entries: list[dict[str, Any]] = self._store.get("acl") or []
        return entries

    @property
    def roles(self) -> Mapping[str, frozenset[str]]:
        """Return the privileges of every role, built-in ones included."""
        own = {name: frozenset(privileges) for name, privileges in (self._store.get("roles") or {}).items()}
        return {**BUILT_IN, **own}

    def active(self, user: str) -> bool:
        """Return whether the user exists, is enabled and has not expired."""
        entry = self.users.get(user)
        return bool(entry and entry.get("enable", 1) and not _expired(entry))

    def set_password(self, user: str, password: str) -> None:
        """Give the user a password."""
        with self.change("users") as users:
            users[user]["password"] = hash_password(password)

    def password_ok(self, user: str, password: str) -> bool:
        """Return whether user and password may log in."""
        stored = str(self.users.get(user, {}).get("password", ""))
        return self.active(user) and bool(stored) and password_fits(password, stored)

    def add_token(self, user: str, token: str, *, privsep: bool, expire: int = 0, comment: str = "") -> str:
        """Make a token and return its secret, which is not kept."""
        secret = str(uuid.uuid4())
        entry: dict[str, Any] = {"privsep": int(privsep), "expire": expire, "secret": _digest(secret)}
        if comment:
            entry["comment"] = comment
        with self.change("users") as users:
            users[user].setdefault("tokens", {})[token] = entry
        return secret

    def renew_token(self, user: str, token: str) -> str:
        """Give an existing token a new secret and return it."""
        secret = str(uuid.uuid4())
        with self.change("users") as users:
            users[user]["tokens"][token]["secret"] = _digest(secret)
        return secret

    def token_ok(self, user: str, token: str, secret: str) -> bool:
        """Return whether this is a valid token of an active user."""
        entry = self.users.get(user, {}).get("tokens", {}).get(token)
        return bool(
            entry
            and self.active(user)
            and not _expired(entry)
            and hmac.compare_digest(str(entry["secret"]), _digest(secret))
        )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _expired(entry: Mapping[str, Any]) -> bool:
    expire = int(entry.get("expire", 0))
    return 0 < expire < time.time()


def _copy(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _copy(value) for key, value in document.items()}
    return [_copy(item) for item in document] if isinstance(document, list) else document
