"""What proxmoxer's core talks to: its ``session`` and ``serializer``, over our own transport.

proxmoxer brings the resource tree, the verbs and ``ResourceException``; its HTTPS backend is not used, because it
switches urllib3's warnings off for the whole process, shares one time-out and cannot pin a fingerprint.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from proxmoxer.core import ProxmoxResource

from pvekit.adapters.pve.transport import Body, Response

BASE = "https://pve/api2/json"
_PREFIX = len("https://pve")


def _only_warnings(record: logging.LogRecord) -> bool:
    """Let nothing below a warning through: proxmoxer logs every form it posts, passwords included."""
    return record.levelno >= logging.WARNING


logging.getLogger("proxmoxer.core").addFilter(_only_warnings)


@dataclass(frozen=True, slots=True)
class Form:
    """A whole body, in pieces, with its type and length in bytes."""

    content_type: str
    length: int
    pieces: bytes | Iterable[bytes]


class FilePart(Protocol):
    """A file among a form's parameters. It can make the form again for another try."""

    def form(self, name: str, fields: Mapping[str, Any]) -> Form:
        """Return the form with the other fields before the file."""


class Raw(bytes):
    """A body whose repr does not cost or show anything (proxmoxer formats it for its debug log)."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Say only how much it is."""
        return f"<{len(self)} bytes>"


class Answer:
    """A response in the shape that proxmoxer's core reads."""

    __slots__ = ("content", "reason", "status_code")

    def __init__(self, response: Response) -> None:
        """Take over status, reason and body."""
        self.status_code = response.status
        self.reason = response.reason
        self.content = Raw(response.body)


class NotPve(Exception):
    """A success without ``{"data": ...}``: whoever answered is no PVE API."""


class Serializer:
    """Reads JSON; unlike proxmoxer's own it keeps the body of an error and does not accept other text."""

    def loads(self, answer: Answer) -> Any:
        """Return ``data`` of a success. NotPve for anything that has none."""
        try:
            return json.loads(answer.content)["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise NotPve(str(answer.status_code)) from error

    def loads_errors(self, answer: Answer) -> dict[str, Any] | None:
        """Return the whole body of an error, None if it is no JSON object (401 comes empty)."""
        try:
            body = json.loads(answer.content)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None


Exchange = Callable[[str, str, dict[str, str], Body], Response]
"""Sends method, target, headers and body."""


class Session:
    """Turns proxmoxer's (method, url, data, params) into a request. One per kind of authentication; no state."""

    def __init__(self, exchange: Exchange) -> None:
        """Keep the function that sends."""
        self._exchange = exchange

    def request(
        self, method: str, url: str, data: dict[str, Any] | None = None, params: dict[str, Any] | None = None
    ) -> Answer:
        """Send it. A redirect is no answer of PVE."""
        target = url[_PREFIX:]
        headers = {"Accept": "application/json"}
        body: Body = None
        if params:
            target = f"{target}?{urlencode(params, doseq=True)}"
        if data is not None:
            made = _form(data)
            body = made.pieces
            headers["Content-Type"] = made.content_type
            headers["Content-Length"] = str(made.length)
        response = self._exchange(method, target, headers, body)
        if 300 <= response.status < 400:
            raise NotPve(f"{response.status} {response.reason}")
        return Answer(response)


def _form(data: dict[str, Any]) -> Form:
    """Return the body: multipart if there is a file among the parameters, else a plain form."""
    for name, value in data.items():
        if hasattr(value, "form"):
            part: FilePart = value
            return part.form(name, {key: other for key, other in data.items() if key != name})
    encoded = urlencode(data, doseq=True).encode()
    return Form("application/x-www-form-urlencoded", len(encoded), encoded)


def resource(exchange: Exchange) -> ProxmoxResource:
    """Return proxmoxer's root resource over this exchange."""
    return ProxmoxResource(base_url=BASE, session=Session(exchange), serializer=Serializer())


def plain(value: Any) -> Any:
    """Return a parameter as PVE reads it: booleans are 1 and 0, lists repeat the key."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value
