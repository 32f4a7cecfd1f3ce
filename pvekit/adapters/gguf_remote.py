"""The header of a GGUF file on a web server: by ranges, so that a model of 20 GB costs a few megabytes.

A server may say anything for ever; time, bytes and memory are bounded all the same.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

from pvekit.adapters import gguf_http, redirects
from pvekit.adapters.gguf import GgufInvalid, parse
from pvekit.model.errors import HostUnreachable
from pvekit.model.gguf import GgufFile

if TYPE_CHECKING:
    import requests

_FIRST, _LARGEST = 2 * 2**20, 16 * 2**20
"""Bytes of the first piece and of the largest; each is twice the one before: few requests, and little too much."""
_REQUESTS = 64
_TOTAL = 180.0
_CHUNK = 2**16
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


def read(url: str, *, seconds: float = _TOTAL) -> GgufFile:
    """Read a header from an address, and give up after ``seconds``. Raises GgufInvalid, NotFound, HostUnreachable."""
    found: list[GgufFile | BaseException] = []

    def work() -> None:
        try:
            found.append(_read(url))
        except BaseException as error:  # noqa: BLE001 - it is raised again by whoever waits
            found.append(error)

    # A time-out of a socket counts from the last byte, and a byte now and then would keep it waiting for ever.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise HostUnreachable(
            f"the model's header has not come within {seconds:.0f} s",
            where=gguf_http.shown(url),
            hint="Try again later, or download the file and name it instead.",
        )
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


def _read(url: str) -> GgufFile:
    from urllib3.exceptions import HTTPError

    with redirects.session() as session:
        remote = _Remote(session, url)
        try:
            return remote.read()
        except (OSError, HTTPError) as error:
            # Without `from`: such errors quote the whole address, and with it a token.
            raise gguf_http.unreachable(error, url) from None
        finally:
            remote.close()


class _Remote:
    """One file, read from front to back: offsets only grow, and what lies behind is not kept."""

    def __init__(self, session: requests.Session, url: str) -> None:
        self._session = session
        self._url = url
        self._where = gguf_http.shown(url)
        self._held = bytearray()
        self._start = 0
        self._piece = _FIRST
        self._size: int | None = None
        self._ended = False
        self._stream: requests.Response | None = None
        """The open answer of a server without ranges."""
        self._asked = 0

    def read(self) -> GgufFile:
        self._more()
        return parse(self._fetch, self._size, self._where)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _fetch(self, offset: int, length: int) -> bytes:
        while offset + length > self._start + len(self._held) and not self._ended:
            self._drop(offset)
            self._more()
        self._drop(offset)
        return bytes(self._held[:length])

    def _drop(self, offset: int) -> None:
        """Forget what lies before ``offset``; without a stream to read through, go there at once."""
        gone = min(offset - self._start, len(self._held))
        del self._held[:gone]
        self._start = self._start + gone if self._stream is not None or self._ended else offset

    def _more(self) -> None:
        at = self._start + len(self._held)
        if self._size is not None and at >= self._size:
            self._ended = True
        elif self._stream is not None:
            self._ended = not self._take(self._stream, _FIRST)
        else:
            self._ask(at)

    def _ask(self, at: int) -> None:
        self._asked += 1
        if self._asked > _REQUESTS:
            raise self._strange("it sends too little at a time")
        answer = gguf_http.ask(self._session, self._url, f"bytes={at}-{at + self._piece - 1}")
        told = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code == 200 and at == 0:
            length = answer.headers.get("Content-Length", "")
            self._size = int(length) if _NUMBER.fullmatch(length) else None
            self._stream = answer
            self._ended = not self._take(answer, _FIRST)
            return
        with answer:
            if answer.status_code == 416:
                self._ended = True
            elif answer.status_code != 206 or told is None or int(told[1]) != at:
                raise self._strange("it sends another part than asked for")
            else:
                self._told(told[2])
                self._take(answer, self._piece)
                self._piece = min(2 * self._piece, _LARGEST)

    def _told(self, word: str) -> None:
        """Take the file's size as an answer tells it: a number, or * where the server does not know."""
        size = None if word == "*" else int(word)
        if size is not None and self._size not in (None, size):
            raise self._strange(f"the file had {self._size} bytes a moment ago, and has {size} now")
        self._size = size or self._size

    def _take(self, answer: requests.Response, length: int) -> int:
        """Take up to ``length`` bytes of an answer; return how many came."""
        came = 0
        while came < length and (data := answer.raw.read1(min(_CHUNK, length - came))):
            self._held += data
            came += len(data)
        return came

    def _strange(self, what: str) -> GgufInvalid:
        return GgufInvalid(
            f"the server answers ranges in an unknown way: {what}",
            where=self._where,
            hint="Download the file, and name it instead.",
        )
