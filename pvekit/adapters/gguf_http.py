"""Asks a web server for a part of a file, and says in words what went wrong.

Redirects are followed here and not by requests, which would read their bodies whole, however long they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from pvekit.model.errors import HostUnreachable, NotFound, PvekitError

if TYPE_CHECKING:
    import requests

SECONDS = 30.0
"""How long a server may say nothing."""
_REDIRECTS = 10


def shown(url: str) -> str:
    """Return an address without what may be a secret: the name and password in it, its query, its fragment."""
    begin, slashes, rest = url.partition("#")[0].partition("?")[0].partition("://")
    place, slash, path = rest.partition("/")
    return f"{begin}{slashes}{place.rpartition('@')[2]}{slash}{path}"


def ask(session: requests.Session, url: str, wanted: str) -> requests.Response:
    """Return the open answer to a request for the range ``wanted``: of status 200, 206 or 416.

    Raises NotFound, HostUnreachable, and what requests raises.
    """
    where, at = shown(url), url
    headers = {"Range": wanted, "Accept-Encoding": "identity"}
    for _hop in range(_REDIRECTS + 1):
        try:
            answer = session.get(at, headers=headers, stream=True, timeout=SECONDS, allow_redirects=False)
            if answer.status_code in (200, 206, 416):
                return answer
            answer.close()
            target = session.get_redirect_target(answer)
            if target is None:
                raise _refused(answer.status_code, where)
            encrypted = urlsplit(at).scheme == "https"
            at = urljoin(at, target)
            left = encrypted and urlsplit(at).scheme != "https"
        except ValueError as error:
            raise unreachable(error, url) from None
        if left:
            raise HostUnreachable(
                f"the server leads away from https, to {shown(at)}", where=where, hint="Is the address right?"
            )
    raise HostUnreachable(
        f"more than {_REDIRECTS} redirects, the last to {shown(at)}", where=where, hint="Give the file's own address."
    )


def _refused(status: int, where: str) -> PvekitError:
    if status in (401, 403, 404, 410):
        return NotFound(
            f"there is no such file, or it is not for everybody (the server says {status})",
            status=status, where=where, hint="Open the address in a browser.",
        )  # fmt: skip
    hint = "Try again later." if status == 429 or status >= 500 else "Open the address in a browser."
    return HostUnreachable(f"the model's header cannot be read: the server says {status}", where=where, hint=hint)


def unreachable(error: Exception, url: str) -> HostUnreachable:
    """Return the error for what requests or urllib3 raised, whose own words quote whole addresses."""
    why, hint = _why(error)
    return HostUnreachable(f"the model's header cannot be read: {why}", where=shown(url), hint=hint)


def _why(error: Exception) -> tuple[str, str]:
    import requests
    from urllib3 import exceptions as lower

    if isinstance(error, requests.exceptions.SSLError):
        hint = "Name the file of its authority in REQUESTS_CA_BUNDLE."
        return "the server's certificate is not trusted, or it speaks no TLS", hint
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy does not let it through", "Look at HTTPS_PROXY and HTTP_PROXY."
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time", "Is there a way to it from here, or a firewall between?"
    if isinstance(error, requests.exceptions.Timeout | lower.TimeoutError):
        return f"the server said nothing for {SECONDS:.0f} s", "Try again later."
    if "NameResolution" in repr(error):
        return "nobody knows a server of this name", "Is the address right?"
    if "NewConnectionError" in repr(error):
        return "nothing listens there", "Is the address right?"
    if any(word in repr(error) for word in ("BadStatusLine", "LineTooLong", "HTTPException")):
        return "what answers there is no web server", "Is the address right?"
    if isinstance(error, ValueError):
        return "this is no web address, or the server leads to none", "Write https://, the server, and the file's path."
    return "the connection ended early", "Try again."
