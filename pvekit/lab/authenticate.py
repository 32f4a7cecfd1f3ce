"""Finds out who sends a request."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pvekit.lab.access.caller import Caller
from pvekit.lab.errors import unauthorized

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

FAILED = "Authentication failed!"


def authenticate(lab: Lab, method: str, headers: Mapping[str, str]) -> Caller:
    """Return the caller; Refused (401 with an empty body) for missing or wrong credentials."""
    authorization = headers.get("Authorization", "")
    if authorization.startswith("PVEAPIToken"):
        return _token(lab, authorization.removeprefix("PVEAPIToken").lstrip("= "))
    cookie = _cookie(headers.get("Cookie", ""))
    if not cookie:
        raise unauthorized("No ticket")
    user = lab.tickets.user_of(cookie)
    if user is None or not lab.accounts.active(user):
        raise unauthorized(FAILED)
    if method != "GET" and not lab.tickets.csrf_ok(user, headers.get("CSRFPreventionToken", "")):
        raise unauthorized("Permission denied - invalid csrf token")
    return Caller(user)


def _cookie(text: str) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(text)
    except CookieError:
        return ""
    found = jar.get("PVEAuthCookie")
    if found is not None:
        return unquote(found.value)
    marker = "PVEAuthCookie="
    return unquote(text.split(marker, 1)[1].split(";", 1)[0]) if marker in text else ""


def _token(lab: Lab, text: str) -> Caller:
    auth_id, _sign, secret = text.partition("=")
    user, mark, token = auth_id.partition("!")
    if not mark or not lab.accounts.token_ok(user, token, secret):
        raise unauthorized(FAILED)
    return Caller(user, token)
