"""Downloads from a server that behaves badly in all the usual ways."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pvekit.adapters import download
from pvekit.adapters.download import cache_dir, fetch, fetch_pinned
from pvekit.model.catalogue import Pinned
from pvekit.model.errors import HostUnreachable, ImageInvalid, PvekitError

CONTENT = random.Random(1).randbytes(3_000_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What the server does: bytes per answer before it hangs up, and how it takes ranges."""

    content: bytes = CONTENT
    cut_after: int | None = None
    ranges: str = "yes"  # yes, ignored, wrong
    statuses: list[int] = field(default_factory=list)  # sent first, one per request
    redirect: str = ""
    redirect_page: int = 0  # bytes that are told to come with it, and never do
    length: bool = True
    seen: list[str] = field(default_factory=list)
    url: str = ""
    waiting: threading.Event = field(default_factory=threading.Event)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            server.seen.append(asked)
            if server.statuses:
                self._end(server.statuses.pop(0))
            elif server.redirect and self.path == "/moved.iso":
                self.send_response(302)
                self.send_header("Location", server.redirect)
                self.send_header("Content-Length", str(server.redirect_page))
                self.end_headers()
                self.close_connection = True
                if server.redirect_page:
                    server.waiting.wait(20)
            else:
                self._content(asked)

        def _end(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _content(self, asked: str) -> None:
            told = re.fullmatch(r"bytes=(\d+)-", asked)
            start = int(told[1]) if told and server.ranges != "ignored" else 0
            if start and start >= len(server.content):
                self._end(416)
                return
            part = server.content[start:]
            self.send_response(206 if start else 200)
            if start:
                said = start + 7 if server.ranges == "wrong" else start
                end = len(server.content) - 1
                self.send_header("Content-Range", f"bytes {said}-{end}/{len(server.content)}")
            if server.length:
                self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            with suppress(ConnectionError):  # the client may have seen enough
                self.wfile.write(part[: server.cut_after])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(made))
    made.url = f"http://127.0.0.1:{http.server_address[1]}/some/file.iso"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.waiting.set()
    http.shutdown()
    thread.join()
    http.server_close()


def get(server: Server, folder: Path, **options: int | Callable[[int, int | None], None]) -> Path:
    return fetch(server.url, SHA, folder=folder, pause_s=0.001, **options)  # type: ignore[arg-type]


def left(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir() if not each.name.startswith(".")}


def test_fetches_once_and_says_how_far(server: Server, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    path = get(server, tmp_path / "new", progress=lambda done, total: told.append((done, total)))
    assert path == tmp_path / "new" / f"{SHA}.iso"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)
    assert get(server, tmp_path / "new") == path
    assert server.seen == [""]
    assert left(tmp_path / "new") == {path.name}
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_goes_on_where_it_was_cut(server: Server, tmp_path: Path) -> None:
    server.cut_after = 400_000
    assert get(server, tmp_path).read_bytes() == CONTENT
    starts = [int(each.strip("bytes=-") or 0) for each in server.seen]
    assert starts == sorted(set(starts))
    assert len(starts) < 12


def test_goes_on_where_an_earlier_run_stopped(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{SHA}.part").write_bytes(CONTENT[:1_234_567])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.seen == ["bytes=1234567-"]


@pytest.mark.parametrize("ranges", ["ignored", "wrong"])
def test_a_server_that_cannot_go_on(server: Server, tmp_path: Path, ranges: str) -> None:
    server.ranges = ranges
    (tmp_path / f"{SHA}.part").write_bytes(CONTENT[:1_234_567])
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"more", b"x" * 1_000_000, b"x" * 5_000_000])
def test_a_part_that_is_whole_too_long_or_wrong(server: Server, tmp_path: Path, part: bytes) -> None:
    (tmp_path / f"{SHA}.part").write_bytes(part)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_kept_file_that_was_changed_is_fetched_again(server: Server, tmp_path: Path) -> None:
    path = get(server, tmp_path)
    path.write_bytes(b"rotten")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.seen) == 2


def test_an_answer_without_length(server: Server, tmp_path: Path) -> None:
    server.length = False
    told: list[int | None] = []
    assert get(server, tmp_path, progress=lambda _done, total: told.append(total)).read_bytes() == CONTENT
    assert set(told) == {None}


def test_a_server_that_is_busy_at_first(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429, 500]
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_wrong_sum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"\0"
    with pytest.raises(ImageInvalid) as caught:
        get(server, tmp_path)
    assert f"expected: {SHA}" in str(caught.value)
    assert hashlib.sha256(server.content).hexdigest() in str(caught.value)
    assert server.url in str(caught.value)
    assert left(tmp_path) == set()


def test_a_server_that_always_hangs_up(server: Server, tmp_path: Path) -> None:
    server.cut_after = 0
    with pytest.raises(HostUnreachable, match="the download broke off") as caught:
        get(server, tmp_path)
    assert len(server.seen) == 5
    assert "\n" not in str(caught.value)
    assert "goes on where it stopped, 0 bytes are there" in caught.value.hint
    assert left(tmp_path) == {f"{SHA}.part"}


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(HostUnreachable, match="Connection refused"):
        fetch("http://127.0.0.1:1/x.iso", SHA, folder=tmp_path, pause_s=0.001)


@pytest.mark.parametrize("status", [403, 404])
def test_not_there(server: Server, tmp_path: Path, status: int) -> None:
    server.statuses = [status]
    with pytest.raises(ImageInvalid, match=f"answered {status}"):
        get(server, tmp_path)


@pytest.mark.parametrize("length", [True, False])
def test_larger_than_allowed(server: Server, tmp_path: Path, length: bool) -> None:
    server.length = length
    with pytest.raises(ImageInvalid, match="more than the 1000000"):
        get(server, tmp_path, max_bytes=1_000_000)
    part = tmp_path / f"{SHA}.part"
    assert part.stat().st_size < 3_000_000


def test_the_page_of_a_redirect_is_not_waited_for(server: Server, tmp_path: Path) -> None:
    server.redirect, server.redirect_page = "/some/file.iso", 1 << 40
    server.url = server.url.replace("/some/file.iso", "/moved.iso")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert not server.waiting.is_set()


def test_redirects(server: Server, tmp_path: Path) -> None:
    server.redirect = "/some/file.iso"
    server.url = server.url.replace("/some/file.iso", "/moved.iso")
    assert get(server, tmp_path).read_bytes() == CONTENT
    server.redirect = "/moved.iso"
    with pytest.raises(ImageInvalid, match="redirects"):
        get(server, tmp_path / "other")
    server.redirect = "http://192.0.2.1/x"
    with pytest.raises(ImageInvalid, match="only https"):
        get(server, tmp_path / "third")


@pytest.mark.parametrize(
    "url", ["http://example.org/a", "ftp://127.0.0.1/a", "file:///etc/passwd", "https:///a", "http://127.0.0.1.x/"]
)
def test_addresses_that_are_not_fetched(url: str, tmp_path: Path) -> None:
    with pytest.raises(ImageInvalid, match="only https"):
        fetch(url, SHA, folder=tmp_path)


def test_a_folder_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PvekitError, match="cannot write"):
        get(server, tmp_path / "file" / "below")


def test_several_at_once_fetch_it_once(server: Server, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _n: get(server, tmp_path), range(4)))
    assert len(set(paths)) == 1
    assert len(server.seen) == 1


def test_a_file_of_the_catalogue(server: Server, tmp_path: Path) -> None:
    pinned = Pinned("x", "1", "file.iso", server.url, len(CONTENT), SHA, ())
    assert fetch_pinned(pinned, folder=tmp_path).read_bytes() == CONTENT
    small = Pinned("x", "1", "file.iso", server.url, 1000, SHA, ())
    with pytest.raises(ImageInvalid, match="more than the 2000"):
        fetch_pinned(small, folder=tmp_path / "other")


def test_where_downloads_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "pvekit" / "downloads"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "pvekit" / "downloads"
    assert download.__doc__
