from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pvekit.adapters.checksums import Locked, fetch_published, parse_list, read_lock, write_lock
from pvekit.adapters.images import Checksum
from pvekit.model.errors import HostUnreachable, ImageInvalid, PvekitError

A, B, C = "a" * 64, "b" * 64, "c" * 128
PAGES = {
    "/ubuntu/SHA256SUMS": f"{A} *noble.img\n{B} *other.img\n",
    "/debian/SHA512SUMS": f"{C}  debian-13-generic-amd64.qcow2\n",
    "/huge/SHA256SUMS": "x" * (5 << 20),
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = PAGES.get(self.path)
        self.send_response(500 if self.path.startswith("/broken") else 200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or "")))
        self.end_headers()
        try:
            self.wfile.write((body or "").encode())
        except (BrokenPipeError, ConnectionResetError):
            return

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


LISTS = {
    "gnu": (f"{A}  one.img\n{B} *two.img\n", {"one.img": A, "two.img": B}),
    "sha512": (f"{C}  d.qcow2\n", {"d.qcow2": C}),
    "bsd": (f"SHA256 (one.img) = {A}\nSHA512 (./d.qcow2) = {C}\n", {"one.img": A, "d.qcow2": C}),
    "signed": (f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n# x\n{A}  ./one.img\n-----BEGIN", {"one.img": A}),
    "upper case, name with spaces": (f"{A.upper()}  a b.img\r\n", {"a b.img": A}),
    "listed twice": (f"{A}  one.img\n{B}  one.img\n", {"one.img": A}),
    "nothing": ("<html>404</html>", {}),
    "md5 is not taken": ("d41d8cd98f00b204e9800998ecf8427e  one.img\n", {}),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(name: str) -> None:
    text, expected = LISTS[name]
    assert {file: each.hexdigest for file, each in parse_list(text).items()} == expected


def test_published(site: str) -> None:
    url = f"{site}/ubuntu/noble.img"
    assert fetch_published(url) == Locked(url, Checksum("sha256", A), f"{site}/ubuntu/SHA256SUMS")
    url = f"{site}/debian/debian-13-generic-amd64.qcow2"
    assert fetch_published(url) == Locked(url, Checksum("sha512", C), f"{site}/debian/SHA512SUMS")
    url = f"{site}/elsewhere/noble.img"
    assert fetch_published(url, f"{site}/ubuntu/SHA256SUMS").checksum.hexdigest == A


def test_not_published(site: str) -> None:
    with pytest.raises(ImageInvalid, match=r"no checksum list names absent\.img"):
        fetch_published(f"{site}/ubuntu/absent.img")
    with pytest.raises(ImageInvalid, match="too large"):
        fetch_published(f"{site}/huge/x.img")
    with pytest.raises(HostUnreachable, match="500"):
        fetch_published(f"{site}/broken/x.img")
    with pytest.raises(HostUnreachable):
        fetch_published("http://127.0.0.1:1/x.img")


def test_lock_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "pvekit.lock"
    assert read_lock(path) == {}
    images = {
        "ubuntu": Locked("https://a/noble.img", Checksum("sha256", A), "https://a/SHA256SUMS"),
        "debian": Locked("https://b/d.qcow2", Checksum("sha512", C), "https://b/SHA512SUMS"),
    }
    write_lock(path, images)
    first = path.read_bytes()
    assert read_lock(path) == images
    write_lock(path, dict(reversed(images.items())))
    assert path.read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == ["pvekit.lock"]


@pytest.mark.parametrize("text", ["[", "images: 3", "", "images: {a: 1}", "images: {a: {url: x}}", "\xff"])
def test_broken_lock(tmp_path: Path, text: str) -> None:
    (tmp_path / "pvekit.lock").write_bytes(text.encode("latin-1"))
    with pytest.raises(PvekitError, match="lock file cannot be used") as caught:
        read_lock(tmp_path / "pvekit.lock")
    assert caught.value.hint
