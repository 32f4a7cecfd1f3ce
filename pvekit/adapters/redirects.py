"""A session of requests that leaves redirects to its caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import requests


def session() -> requests.Session:
    """Return a session that never reads the page of a redirect, which may have no end.

    Even where it may not follow a redirect, requests reads its page whole to say where it would lead.
    """
    import requests

    made = requests.Session()
    made.resolve_redirects = lambda *_args, **_more: iter(())  # type: ignore[method-assign]
    return made
