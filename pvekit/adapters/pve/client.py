"""The door to a PVE cluster: four verbs, any of its nodes, retries where they are safe."""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from proxmoxer.core import ProxmoxResource, ResourceException

from pvekit.adapters.pve.auth import Auth, Login, TicketAuth, Token, TokenAuth
from pvekit.adapters.pve.errors import (
    NOT_REACHED_STATUS,
    TRANSIENT_STATUS,
    Cause,
    answer_error,
    cause_of,
    lost_error,
)
from pvekit.adapters.pve.session import NotPve, plain, resource
from pvekit.adapters.pve.transport import Body, Lost, Phase, Pool, Response
from pvekit.adapters.pve.trust import Trust, host_and_port
from pvekit.model.errors import ApiError, AuthFailed, HostUnreachable, PvekitError, WriteUncertain

API = "/api2/json"
OnRequest = Callable[[str, str, Mapping[str, Any]], None]
"""Told method, path (without ``/api2/json``) and parameters of every request, once per try."""

_SECRET_KEYS = ("password", "cipassword", "ticket", "vncticket", "tfa-challenge", "new-password", "input-data")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A cluster: the URLs of its nodes (any will do), whom to trust, and who asks. Times in seconds."""

    urls: tuple[str, ...]
    trust: Trust = field(default_factory=Trust)
    token: Token | None = None
    login: Login | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 60.0
    attempts: int = 6
    connections: int = 16


class _Line:
    """The pools of all endpoints and the one that answered last; shared by all authentications."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.pools = [
            Pool(*host_and_port(url), endpoint.trust, endpoint.connect_timeout, endpoint.connections)
            for url in endpoint.urls
        ]
        self.current = 0

    def send(self, method: str, target: str, headers: Mapping[str, str], body: Body, timeout: float) -> Response:
        """Send to the current server, or the next ones while no connection comes about."""
        lost: list[Lost] = []
        for turn in range(len(self.pools)):
            index = (self.current + turn) % len(self.pools)
            try:
                response = self.pools[index].request(method, target, headers, body, timeout)
            except Lost as error:
                if error.phase is not Phase.CONNECT:
                    raise
                lost.append(error)
                continue
            self.current = index
            return response
        if len(lost) == 1:
            raise lost[0]
        every = "; ".join(str(one) for one in lost)
        raise Lost(Phase.CONNECT, "none of the servers", every, max(one.tries for one in lost))


class Pve:
    """A PVE cluster. Safe for many threads; use it as a context manager, or ``close`` it."""

    def __init__(self, endpoint: Endpoint, line: _Line, on_request: OnRequest | None, *, ticket: bool) -> None:
        """Use ``open``."""
        self.endpoint = endpoint
        self._line = line
        self._on_request = on_request
        self._sleep: Callable[[float], None] = time.sleep
        self._random = random.SystemRandom()
        self._root: ProxmoxResource = resource(self._exchange)
        self._auth: Auth
        if endpoint.token is not None and not ticket:
            self._auth = TokenAuth(endpoint.token)
        elif endpoint.login is not None:
            self._auth = TicketAuth(endpoint.login, self._log_in)
        else:
            raise AuthFailed(
                "no login to get a ticket with" if ticket else "neither token nor login given",
                hint="This step needs the ticket of root@pam: give user and password." if ticket else "",
            )

    @classmethod
    def open(cls, endpoint: Endpoint, *, on_request: OnRequest | None = None) -> Self:
        """Return the cluster; the token is used if there is one. Nothing is sent before the first request.

        AuthFailed if the endpoint has neither token nor login; ValueError for a URL that cannot be one.
        """
        if not endpoint.urls:
            raise ValueError("an endpoint needs at least one URL")
        return cls(endpoint, _Line(endpoint), on_request, ticket=False)

    def with_ticket(self) -> Pve:
        """Return the same cluster asked with a ticket instead of the token, over the same connections.

        AuthFailed if the endpoint has no login.
        """
        return Pve(self.endpoint, self._line, self._on_request, ticket=True)

    @property
    def user(self) -> str:
        """Who asks: ``user@realm`` or ``user@realm!token``."""
        return self._auth.name

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections (those of ``with_ticket`` as well: they are the same)."""
        for pool in self._line.pools:
            pool.close()

    def get(self, path: str, /, **params: Any) -> Any:
        """Read ``path`` and return ``data``. Repeated on dropped connections and passing errors."""
        return self.request("GET", path, params)

    def post(self, path: str, /, **params: Any) -> Any:
        """Create or do something; returns ``data`` (often a UPID). WriteUncertain if the answer was lost."""
        return self.request("POST", path, params)

    def put(self, path: str, /, **params: Any) -> Any:
        """Change something; returns ``data``. WriteUncertain if the answer was lost."""
        return self.request("PUT", path, params)

    def delete(self, path: str, /, **params: Any) -> Any:
        """Delete something; returns ``data``. WriteUncertain if the answer was lost."""
        return self.request("DELETE", path, params)

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, *, repeatable: bool = False
    ) -> Any:
        """Send one request and return ``data``. None among the parameters means "not given".

        ``repeatable`` marks a write that may be done twice (a guest-agent ping). Errors: see ``errors``.
        """
        values = {key: plain(value) for key, value in (params or {}).items() if value is not None}
        where = f"{method} {path}"
        safe = repeatable or method == "GET"
        hide = [str(value) for key, value in values.items() if key in _SECRET_KEYS]
        renewed = False
        attempt = 0
        while True:
            attempt += 1
            if self._on_request is not None:
                self._on_request(method, path, values)
            used = self._auth.headers(method)
            try:
                return self._call(method, path, values)
            except Lost as lost:
                unsent = lost.phase is not Phase.RECEIVE
                if attempt >= min(self.endpoint.attempts, lost.tries) or not (safe or unsent):
                    raise lost_error(lost, where, write=not (safe or unsent)) from lost
            except NotPve as other:
                raise ApiError(
                    f"the server answered, but not as PVE does ({other})",
                    status=0,
                    where=where,
                    hint="Is the URL that of a Proxmox VE node, without a web proxy in between?",
                ) from other
            except ResourceException as refused:
                if refused.status_code == 401 and not renewed and self._auth.renew(used):
                    renewed = True
                    continue
                error = answer_error(
                    refused.status_code, refused.content, refused.errors, where, (*hide, *self._auth.secrets())
                )
                if not self._again(error, refused.status_code, safe=safe) or attempt >= self.endpoint.attempts:
                    raise self._doubt(error, refused.status_code, where, safe=safe) from refused
            self._pause(attempt)

    def dial(self) -> tuple[ssl.SSLSocket, str, int, Mapping[str, str]]:
        """Open one more checked TLS connection to the server that answered last, for the console.

        Returns it with host, port and the headers that say who asks. HostUnreachable, FingerprintMismatch.
        """
        pool = self._line.pools[self._line.current]
        headers = self._auth.headers("GET")
        try:
            secure = pool.trust.connect(pool.host, pool.port, self.endpoint.connect_timeout)
        except OSError as error:
            raise HostUnreachable(f"no connection: {error}", where=pool.endpoint) from error
        secure.settimeout(None)
        return secure, pool.host, pool.port, headers

    def _again(self, error: PvekitError, status: int, *, safe: bool) -> bool:
        """Return whether an answered request is worth another try."""
        if status in NOT_REACHED_STATUS:
            return True
        if not safe or not isinstance(error, ApiError):
            return False
        cause = cause_of(error.message)
        if cause is Cause.AGENT_SILENT:
            return False
        return status in TRANSIENT_STATUS or (status == 500 and cause in {Cause.TRANSIENT, Cause.LOCK_TIMEOUT})

    def _doubt(self, error: PvekitError, status: int, where: str, *, safe: bool) -> PvekitError:
        """Return the error; for a write whose answer a proxy lost on the way, that its outcome is unknown."""
        if safe or status not in TRANSIENT_STATUS - NOT_REACHED_STATUS:
            return error
        return WriteUncertain(
            f"{error.message} (status {status}): whether it took effect is not known",
            where=where,
            hint="Run the same command again: it looks first.",
        )

    def _call(self, method: str, path: str, values: dict[str, Any]) -> Any:
        node = self._root(quote(path.strip("/"), safe="/:@!,+=~;"))
        match method:
            case "GET":
                return node.get(**values)
            case "POST":
                return node.post(**values)
            case "PUT":
                return node.put(**values)
            case "DELETE":
                return node.delete(**values)
            case _:
                raise ValueError(f"no such method: {method}")

    def _exchange(self, method: str, target: str, headers: dict[str, str], body: Body) -> Response:
        headers.update(self._auth.headers(method))
        return self._line.send(method, target, headers, body, self.endpoint.read_timeout)

    def _pause(self, attempt: int) -> None:
        """Wait before the next try: 0.1 s, doubling to 2 s, and a random part so that many do not come at once."""
        self._sleep(min(2.0, 0.1 * 2 ** (attempt - 1)) * self._random.uniform(0.5, 1.0))

    def _log_in(self, path: str, form: dict[str, Any]) -> Any:
        """Post a login without authentication; a lost answer is no harm, so it is repeated."""
        where = f"POST {path}"
        root = resource(
            lambda method, target, headers, body: self._line.send(
                method, target, headers, body, self.endpoint.read_timeout
            )
        )
        for attempt in range(1, self.endpoint.attempts + 1):
            if self._on_request is not None:
                self._on_request("POST", path, dict.fromkeys(form, "***"))
            try:
                return root(path.strip("/")).post(**form)
            except ResourceException as refused:
                if refused.status_code not in TRANSIENT_STATUS or attempt == self.endpoint.attempts:
                    secrets = tuple(str(value) for key, value in form.items() if key != "username")
                    raise answer_error(
                        refused.status_code, refused.content, refused.errors, where, secrets
                    ) from refused
            except Lost as lost:
                if attempt >= min(self.endpoint.attempts, lost.tries):
                    raise lost_error(lost, where, write=False) from lost
            self._pause(attempt)
        raise HostUnreachable("no try left", where=where)  # not reached: the last try returns or raises
