"""Who asks: an API token, or a login that gets a ticket and renews it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from pvekit.model.errors import AuthFailed

TICKET_AGE = 3600.0
"""Seconds after which a ticket is renewed before it is used (PVE's tickets live 7200)."""


@dataclass(frozen=True, slots=True)
class Token:
    """An API token, ``user@realm!name`` and its secret."""

    id: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Token:
        """Read ``user@realm!name=secret``, as PVE shows it. ValueError (without the secret) for anything else."""
        found = re.fullmatch(r"\s*(?:PVEAPIToken=)?([^\s!=]+@[^\s!=]+![^\s=]+)=(\S+)\s*", text)
        if not found:
            raise ValueError("an API token looks like user@realm!name=secret")
        return cls(found[1], found[2])


@dataclass(frozen=True, slots=True)
class Login:
    """User (``root@pam``) and password; ``otp`` is called for a second factor (TOTP) if the server wants one."""

    user: str
    password: str = field(repr=False)
    otp: Callable[[], str] | None = field(default=None, repr=False)


class Auth(Protocol):
    """Adds the headers that say who asks."""

    name: str

    def headers(self, method: str) -> Mapping[str, str]:
        """Return the headers for one request."""

    def renew(self, used: Mapping[str, str]) -> bool:
        """After a 401 to a request with the ``used`` headers: return whether another try makes sense."""

    def secrets(self) -> tuple[str, ...]:
        """Return what must never be shown."""


class TokenAuth:
    """An API token: nothing to renew."""

    def __init__(self, token: Token) -> None:
        """Make the header once."""
        self.name = token.id
        self._secret = token.secret
        self._headers = {"Authorization": f"PVEAPIToken={token.id}={token.secret}"}

    def headers(self, method: str) -> Mapping[str, str]:
        """Return the token header; the same for every method (tokens need no CSRF protection)."""
        _ = method
        return self._headers

    def renew(self, used: Mapping[str, str]) -> bool:
        """Return False: a refused token stays refused."""
        _ = used
        return False

    def secrets(self) -> tuple[str, ...]:
        """Return the token's secret."""
        return (self._secret,)


Post = Callable[[str, dict[str, Any]], Any]
"""Posts a form without authentication and returns ``data``."""


class TicketAuth:
    """A ticket, fetched when first needed and renewed once it is old or refused. Safe for many threads."""

    def __init__(self, login: Login, post: Post, clock: Callable[[], float] = time.monotonic) -> None:
        """Keep the login; nothing is sent yet."""
        self.name = login.user
        self._login = login
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._ticket = ""
        self._csrf = ""
        self._born = 0.0

    def headers(self, method: str) -> Mapping[str, str]:
        """Return cookie and, for writes, CSRF token. AuthFailed if the login is refused."""
        with self._lock:
            if not self._ticket or self._clock() - self._born > TICKET_AGE:
                self._fetch()
            made = {"Cookie": f"PVEAuthCookie={self._ticket}"}
            if method != "GET":
                made["CSRFPreventionToken"] = self._csrf
            return made

    def renew(self, used: Mapping[str, str]) -> bool:
        """Fetch a new ticket unless another thread already did."""
        with self._lock:
            if used.get("Cookie") == f"PVEAuthCookie={self._ticket}":
                self._fetch()
        return True

    def secrets(self) -> tuple[str, ...]:
        """Return password, ticket and CSRF token."""
        return (self._login.password, self._ticket, self._csrf)

    def _fetch(self) -> None:
        data = self._post("/access/ticket", {"username": self._login.user, "password": self._login.password})
        if data.get("NeedTFA"):
            data = self._second_factor(str(data["ticket"]))
        self._ticket = str(data["ticket"])
        self._csrf = str(data["CSRFPreventionToken"])
        self._born = self._clock()

    def _second_factor(self, challenge: str) -> Any:
        if self._login.otp is None:
            raise AuthFailed(
                f"{self._login.user} needs a second factor", hint="Use an API token: it needs no second factor."
            )
        answer = {
            "username": self._login.user,
            "tfa-challenge": challenge,
            "password": f"totp:{self._login.otp()}",
        }
        return self._post("/access/ticket", answer)
