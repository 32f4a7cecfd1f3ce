"""A model's header from a web server: little is read, and a server that misbehaves gets an error of its own."""

from __future__ import annotations

import mmap
import struct
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from pvekit.adapters import gguf, gguf_http, gguf_remote
from pvekit.adapters.gguf import GgufCut, GgufInvalid
from pvekit.model.errors import HostUnreachable, NotFound, PvekitError
from tests.inference_model.build import entry, tensor, text
from tests.inference_model.build import gguf as built
from tests.inference_model.site import Asked, certificate, site, unused
from tests.inference_model.test_gguf import _bounded
from tests.llama.model import SIZE, gemma

_MIB = 2**20
_WORDS = text("x" * 56) * 60_000
_SMALL = built(
    [entry("general.architecture", 8, text("llama")), entry("words", 9, struct.pack("<IQ", 8, 60_000) + _WORDS)],
    [tensor("t", [2**18])], data=_MIB,
)  # fmt: skip
"""A file whose header is longer than the first piece that is asked for."""
_ENDLESS = built(counts=(0, 2))[:24] + entry("a", 9, struct.pack("<IQ", 8, 2**22))
"""The begin of a header of texts without end."""
_PATH = "/model.gguf?token=hush#hush"


def _part(asked: Asked, total: str = "", most: int = 2**40, shift: int = 0) -> None:
    """Answer a range as RFC 9110 wants it; or so much of it, or beside it."""
    data, wanted = asked.site.data, asked.range
    if wanted is None:
        _whole(asked)
    elif wanted[0] >= len(data):
        asked.begin(416, ("Content-Length", "0"), ("Content-Range", f"bytes */{len(data)}"))
    else:
        begin, end = wanted[0], min(wanted[1], len(data), wanted[0] + most)
        told = f"bytes {begin + shift}-{end - 1 + shift}/{total or len(data)}"
        asked.begin(206, ("Content-Length", str(end - begin)), ("Content-Range", told))
        asked.body(data[begin:end])


def _whole(asked: Asked) -> None:
    asked.begin(200, ("Content-Length", str(len(asked.site.data))))
    asked.body(asked.site.data[:])


def _without_length(asked: Asked) -> None:
    asked.begin(200)
    asked.body(asked.site.data[:])


def _chunks(asked: Asked) -> None:
    asked.begin(200, ("Transfer-Encoding", "chunked"))
    for at in range(0, len(asked.site.data), 100_000):
        piece = asked.site.data[at : at + 100_000]
        asked.body(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    asked.body(b"0\r\n\r\n")


def _elsewhere(asked: Asked) -> None:
    """Lead to another name of this machine, as networks for delivery do, with a secret in the address."""
    if asked.path.startswith("/there"):
        _part(asked)
    else:
        port = asked.site.url.rpartition(":")[2]
        asked.begin(302, ("Location", f"http://localhost:{port}/there?key=hush"), ("Content-Length", "0"))


def _heavy_redirect(asked: Asked) -> None:
    """The page that comes with a redirect never ends; nobody has to read it."""
    if asked.path.startswith("/there"):
        _part(asked)
        return
    asked.begin(302, ("Location", "/there"))
    while not asked.site.closed.is_set():
        asked.body(b"x" * 2**16)


_GOOD: dict[str, Callable[[Asked], None]] = {
    "ranges": _part,
    "ranges of a file whose size is not known": lambda asked: _part(asked, "*"),
    "shorter parts than asked for": lambda asked: _part(asked, most=300_000),
    "no ranges": _whole,
    "no ranges, and no length": _without_length,
    "no ranges, in chunks": _chunks,
    "another server": _elsewhere,
    "a redirect with an endless page": _heavy_redirect,
}


@pytest.mark.parametrize("behaviour", _GOOD.values(), ids=_GOOD)
def test_a_header_arrives(behaviour: Callable[[Asked], None]) -> None:
    here = gguf.parse(lambda offset, length: _SMALL[offset : offset + length], len(_SMALL), "")
    with site(_SMALL, behaviour) as made, _bounded():
        found = gguf_remote.read(made.url + _PATH)
    assert (found.metadata, found.tensors, found.data) == (here.metadata, here.tensors, here.data)
    assert found.size in (None, len(_SMALL))
    assert found.where == f"{made.url}/model.gguf"


@pytest.mark.parametrize(("behaviour", "most"), [(_part, 3.0), (_chunks, 3.0), (_whole, 3.0)])
def test_of_a_real_model_only_the_header_is_read(behaviour: Callable[[Asked], None], most: float) -> None:
    here = gguf.read(gemma())
    with gemma().open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        with site(data, behaviour) as made:
            found = gguf_remote.read(made.url + _PATH)
        assert (found.metadata, found.tensors) == (here.metadata, here.tensors)
        # What a server without ranges has sent counts what lies in the buffers of both sides.
        assert made.sent < most * here.data + 8 * _MIB < SIZE / 4
        assert len(made.seen) <= 4


def _twice(first: Callable[[Asked], None], then: Callable[[Asked], None]) -> Callable[[Asked], None]:
    return lambda asked: (first if len(asked.site.seen) == 1 else then)(asked)


def _status(code: int) -> Callable[[Asked], None]:
    return lambda asked: asked.begin(code, ("Content-Length", "0"))


def _to(address: str) -> Callable[[Asked], None]:
    return lambda asked: asked.begin(302, ("Location", address), ("Content-Length", "0"))


def _stops(asked: Asked) -> None:
    """Promise more than comes."""
    asked.begin(206, ("Content-Length", str(_MIB)), ("Content-Range", f"bytes 0-{_MIB - 1}/{len(asked.site.data)}"))
    asked.body(asked.site.data[:1000])


def _told(told: str) -> Callable[[Asked], None]:
    def behave(asked: Asked) -> None:
        asked.begin(206, ("Content-Length", "100"), *([("Content-Range", told)] if told else []))
        asked.body(asked.site.data[:100])

    return behave


def _sends(data: bytes) -> Callable[[Asked], None]:
    """Send other bytes than those of the file, without ranges."""

    def behave(asked: Asked) -> None:
        asked.begin(200)
        asked.body(data)

    return behave


def _says(*lines: bytes) -> Callable[[Asked], None]:
    """Say something else than HTTP wants."""

    def behave(asked: Asked) -> None:
        for line in lines:
            asked.wfile.write(line)

    return behave


def _for_ever(piece: bytes) -> Callable[[Asked], None]:
    """Send the begin of a file and then one piece again and again."""

    def behave(asked: Asked) -> None:
        asked.begin(200)
        asked.body(asked.site.data[:24])
        while not asked.site.closed.is_set():
            asked.body(piece)

    return behave


def _texts(asked: Asked) -> None:
    """Send texts of four MiB for ever."""
    asked.begin(200)
    asked.body(_ENDLESS)
    piece = text("x" * 4 * _MIB)
    while not asked.site.closed.is_set():
        asked.body(piece)


_BAD: dict[str, tuple[Callable[[Asked], None], type[PvekitError], str]] = {
    "another part": (lambda asked: _part(asked, shift=7), GgufInvalid, "another part than asked for"),
    "no word which part": (_told(""), GgufInvalid, "another part than asked for"),
    "a part of numbers beyond numbers": (_told(f"bytes 0-99/{'9' * 5000}"), GgufInvalid, "another part than asked"),
    "a part in foreign digits": (_told("bytes ²-9/100"), GgufInvalid, "another part than asked for"),
    "another size in between": (
        _twice(_part, lambda asked: _part(asked, total="99999999")), GgufInvalid, "bytes a moment ago, and has 99999999"
    ),
    "no ranges any more": (_twice(_part, _whole), GgufInvalid, "another part than asked for"),
    "a byte at a time": (lambda asked: _part(asked, most=1), GgufInvalid, "too little at a time"),
    "empty parts": (lambda asked: _part(asked, most=0), GgufInvalid, "another part than asked for"),
    "stops in the middle": (_stops, HostUnreachable, "the connection ended early"),
    "stops without a word": (_says(), HostUnreachable, "the connection ended early"),
    "no web server": (_says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), HostUnreachable, "no web server"),
    "a line without end": (_says(b"HTTP/1.1 200 OK\r\nA: " + b"x" * 2**20), HostUnreachable, "no web server"),
    "headers without end": (_says(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 10_000), HostUnreachable, "no web server"),
    "a redirect to itself": (_to(_PATH), HostUnreachable, "more than 10 redirects"),
    "a redirect to no web address": (_to("ftp://x/?hush"), HostUnreachable, "no web address"),
    "a redirect to nothing": (_to("http://[hush"), HostUnreachable, "no web address"),
    "a redirect without an address": (_status(302), HostUnreachable, "the server says 302"),
    "no such file": (_status(404), NotFound, r"no such file.*\(the server says 404\)"),
    "gone": (_status(410), NotFound, "no such file"),
    "not logged in": (_status(401), NotFound, "not for everybody"),
    "forbidden": (_status(403), NotFound, "not for everybody"),
    "too many requests": (_status(429), HostUnreachable, "the server says 429"),
    "a wrong request": (_status(400), HostUnreachable, "the server says 400"),
    "broken": (_status(500), HostUnreachable, "the server says 500"),
    "overloaded": (_status(503), HostUnreachable, "the server says 503"),
    "nothing in it": (_status(204), HostUnreachable, "the server says 204"),
    "a page instead": (
        _sends(b"<!doctype html>"), GgufInvalid, "no GGUF file: it begins"
    ),
    "a model cut off": (
        _sends(_SMALL[:3_000_000]), GgufCut, "cut off"
    ),
    "the same part again": (_told("bytes 0-99/*"), GgufInvalid, "another part than asked for"),
    "zeros for ever": (_for_ever(bytes(2**16)), GgufInvalid, "is there twice|do not fit"),
    "texts for ever": (_texts, GgufInvalid, "longer than 64 MiB"),
}  # fmt: skip


def _refused(url: str, kind: type[PvekitError], words: str, seconds: float = 120) -> None:
    with _bounded(), pytest.raises(kind, match=words) as caught:
        gguf_remote.read(url, seconds=seconds)
    assert type(caught.value) is kind
    assert "/model.gguf" in caught.value.where
    assert caught.value.hint
    assert "hush" not in "".join(traceback.format_exception(caught.value)) + caught.value.where + caught.value.hint


@pytest.mark.parametrize(("behaviour", "kind", "words"), _BAD.values(), ids=_BAD)
def test_a_server_that_misbehaves_is_named(
    behaviour: Callable[[Asked], None], kind: type[PvekitError], words: str
) -> None:
    with site(_SMALL, behaviour) as made:
        _refused(made.url.replace("://", "://me:hush@") + _PATH, kind, words)
        assert len(made.seen) <= 64


def _drip(*begin: bytes) -> Callable[[Asked], None]:
    """Send a byte now and then, for ever: no time-out of a socket ends that."""

    def behave(asked: Asked) -> None:
        for line in begin:
            asked.wfile.write(line)
        while not asked.site.closed.wait(0.05):
            asked.wfile.write(b"1")

    return behave


def _again(line: bytes) -> Callable[[Asked], None]:
    def behave(asked: Asked) -> None:
        while not asked.site.closed.is_set():
            asked.wfile.write(line)

    return behave


_SLOW: dict[str, Callable[[Asked], None]] = {
    "a slow line": _drip(),
    "slow headers": _drip(b"HTTP/1.1 200 OK\r\nA: "),
    "a slow body": _drip(b"HTTP/1.1 200 OK\r\n\r\n", _ENDLESS[:40]),
    "a slow chunk": _drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "asks to wait for ever": _again(b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("behaviour", _SLOW.values(), ids=_SLOW)
def test_who_sends_slowly_for_ever_is_given_up(behaviour: Callable[[Asked], None]) -> None:
    with site(_SMALL, behaviour) as made:
        begin = time.monotonic()
        _refused(made.url + _PATH, HostUnreachable, "has not come within 1 s", seconds=1)
        assert time.monotonic() - begin < 30


def _silent(asked: Asked) -> None:
    asked.site.closed.wait(60)


def _silent_later(asked: Asked) -> None:
    asked.begin(200)
    asked.body(asked.site.data[:1000])
    asked.site.closed.wait(60)


@pytest.mark.parametrize("behaviour", [_silent, _silent_later])
def test_who_says_nothing_is_given_up(behaviour: Callable[[Asked], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gguf_http, "SECONDS", 0.4)
    with site(_SMALL, behaviour) as made:
        _refused(made.url + _PATH, HostUnreachable, "the server said nothing")


def test_where_nothing_listens() -> None:
    _refused(f"http://me:hush@127.0.0.1:{unused()}{_PATH}", HostUnreachable, "nothing listens there")
    _refused(f"http://me:hush@nobody.invalid{_PATH}", HostUnreachable, "nobody knows a server of this name")
    _refused(f"http://me:hush@[{_PATH}", HostUnreachable, "this is no web address")


def test_a_certificate_that_nobody_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = certificate(tmp_path)
    with site(_SMALL, _part, path) as made:
        _refused(made.url + _PATH, HostUnreachable, "certificate is not trusted")
        assert made.seen == []
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
        assert gguf_remote.read(made.url + _PATH).size == len(_SMALL)
        made.behaviour = _to("http://127.0.0.1/model.gguf?hush")
        _refused(made.url + _PATH, HostUnreachable, "leads away from https")
    with site(_SMALL, _part) as made:
        _refused(made.url.replace("http:", "https:") + _PATH, HostUnreachable, "speaks no TLS")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/m.gguf", "https://a.example/m.gguf"),
        ("https://me:pw@a.example:8/m@2.gguf?key=x#y", "https://a.example:8/m@2.gguf"),
        ("https://me:p@w@a.example?key=/x", "https://a.example"),
        ("https://a.example/m.gguf#a?b@c", "https://a.example/m.gguf"),
    ],
)
def test_an_address_is_shown_without_secrets(url: str, shown: str) -> None:
    assert gguf_http.shown(url) == shown
