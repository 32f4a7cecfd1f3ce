"""Login tickets and CSRF tokens: signed with a key that stays on disk, valid for two hours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from pathlib import Path

from pvekit.lab.store import write_atomic

LIFETIME = 7200


class Tickets:
    """Makes and checks them."""

    def __init__(self, key_file: Path) -> None:
        """Read the key, or make it."""
        if not key_file.exists():
            write_atomic(key_file, secrets.token_bytes(32))
        self._key = key_file.read_bytes()

    def _sign(self, text: str) -> str:
        return base64.b64encode(hmac.new(self._key, text.encode(), hashlib.sha256).digest()).decode()

    def ticket(self, user: str, kind: str = "PVE") -> str:
        """Return a ticket for the user; ``kind`` tells a login from a console ticket (``PVEVNC``)."""
        body = f"{kind}:{user}:{int(time.time()):08X}"
        return f"{body}::{self._sign(body)}"

    def user_of(self, ticket: str, kind: str = "PVE", path: str = "") -> str | None:
        """Return the user of a valid ticket, None otherwise."""
        body, sign, signature = ticket.partition("::")
        if not sign or not hmac.compare_digest(signature, self._sign(body + path)):
            return None
        prefix, _sign, rest = body.partition(":")
        user, _sign, stamp = rest.rpartition(":")
        if prefix != kind or not _fresh(stamp):
            return None
        return user

    def csrf(self, user: str) -> str:
        """Return the CSRF prevention token that goes with the user's ticket."""
        stamp = f"{int(time.time()):08X}"
        return f"{stamp}:{self._sign(f'csrf:{stamp}:{user}')}"

    def csrf_ok(self, user: str, token: str) -> bool:
        """Return whether the CSRF token is one of this user's."""
        stamp, sign, signature = token.partition(":")
        return bool(sign) and _fresh(stamp) and hmac.compare_digest(signature, self._sign(f"csrf:{stamp}:{user}"))

    def console(self, user: str, path: str) -> str:
        """Return a ticket that opens one console."""
        body = f"PVEVNC:{user}:{int(time.time()):08X}"
        return f"{body}::{self._sign(body + path)}"

    def console_user(self, ticket: str, path: str) -> str | None:
        """Return the user of a valid ticket for this console."""
        return self.user_of(ticket, "PVEVNC", path)


def _fresh(stamp: str) -> bool:
    try:
        age = time.time() - int(stamp, 16)
    except ValueError:
        return False
    return -300 < age < LIFETIME
