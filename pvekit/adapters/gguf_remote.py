"""The header of a GGUF file on a web server: by ranges, so that a model of 20 GB costs a few megabytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pvekit.adapters.gguf import GgufInvalid, parse
from pvekit.model.errors import HostUnreachable, NotFound
from pvekit.model.gguf import GgufFile

if TYPE_CHECKING:
    import requests

_PIECE = 2 * 2**20
_SECONDS = 30.0


def read(url: str) -> GgufFile:
    """Read a header from an address. Raises GgufInvalid, NotFound, HostUnreachable."""
    import requests

    with requests.Session() as session:
        try:
            return _Remote(session, url).read()
        except requests.RequestException as error:
            raise HostUnreachable(
                f"the model's header cannot be read: {type(error).__name__}",
                where=url.partition("?")[0],
                hint="Is the address right, and is there a way to it from here?",
            ) from error


class _Remote:
    """One file. What was fetched is kept: headers are read from front to back."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session = session
        self._url = url
        self._held = b""
        self._size: int | None = None
        self._whole = False

    def read(self) -> GgufFile:
        self._extend(_PIECE)
        return parse(self._fetch, self._size, self._url.partition("?")[0])

    def _fetch(self, offset: int, length: int) -> bytes:
        while len(self._held) < offset + length and not self._whole:
            before = len(self._held)
            # Each piece is twice as long: few requests, and at most twice what is needed.
            self._extend(max(_PIECE, before, offset + length - before))
            if len(self._held) == before:
                break
        return self._held[offset : offset + length]

    def _extend(self, length: int) -> None:
        begin = len(self._held)
        wanted = {"Range": f"bytes={begin}-{begin + length - 1}", "Accept-Encoding": "identity"}
        with self._session.get(self._url, headers=wanted, stream=True, timeout=_SECONDS) as answer:
            where = self._url.partition("?")[0]
            if answer.status_code == 416:
                self._whole = True
                return
            if answer.status_code in (401, 403, 404, 410):
                raise NotFound("there is no such file, or it is not for everybody", status=answer.status_code,
                               where=where, hint="Open the address in a browser.")  # fmt: skip
            answer.raise_for_status()
            ranged = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
            if answer.status_code == 206 and ranged and int(ranged[1]) == begin:
                self._size = int(ranged[2]) if ranged[2] != "*" else self._size
                self._held += answer.raw.read(length)
                return
            if answer.status_code != 200 or begin:
                raise GgufInvalid("the server answers ranges in an unknown way", where=where)
            # No ranges: read from the front, and hang up when it is enough for any header that is not absurd.
            told = answer.headers.get("Content-Length", "")
            self._size = int(told) if told.isdigit() else None
            self._held = answer.raw.read(32 * 2**20)
            self._whole = True
