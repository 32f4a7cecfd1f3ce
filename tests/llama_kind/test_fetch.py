"""The download of a model: goes on where it stopped, and keeps what is right only."""

from __future__ import annotations

import collections
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.llama_kind.program import module

DATA = os.urandom(3_000_000)
SUM = hashlib.sha256(DATA).hexdigest()
Usage = collections.namedtuple("Usage", "total used free")


class Server(http.server.BaseHTTPRequestHandler):
    """Serves DATA with ranges; ``plan`` says what happens to each request, the last for all that follow."""

    plan: list[str]
    asked: list[str]

    def do_GET(self) -> None:
        how = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        wanted = self.headers.get("Range", "")
        self.asked.append(wanted)
        if how.isdigit():
            self.send_error(int(how))
            return
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and how != "no ranges" else 0
        if begin >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(DATA) - begin))
        self.end_headers()
        end = begin + 1_000_000 if how == "drop" else len(DATA)
        self.wfile.write(DATA[begin:end])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(module("fetch"), "PAUSE", 0.0)
    Server.plan, Server.asked = ["ok"], []
    door = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=door.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{door.server_port}/model.gguf?token=hush"
    door.shutdown()
    thread.join()
    door.server_close()


def fetch(url: str, folder: Path, digest: str = SUM) -> bytes:
    module("fetch").fetch(url, digest, folder / "part", folder / "whole")
    assert not (folder / "part").exists()
    return (folder / "whole").read_bytes()


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        (["ok"], [""]),
        (["drop", "drop", "ok"], ["", "bytes=1000000-", "bytes=2000000-"]),
        (["503", "drop", "503", "ok"], ["", "", "bytes=1000000-", "bytes=1000000-"]),
        (["drop", "no ranges"], ["", "bytes=1000000-"]),
    ],
)
def test_it_arrives(server: str, tmp_path: Path, plan: list[str], asked: list[str]) -> None:
    Server.plan = plan
    assert fetch(server, tmp_path) == DATA
    assert Server.asked == asked


def test_an_earlier_run_is_continued(server: str, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:2_500_000])
    assert fetch(server, tmp_path) == DATA
    (tmp_path / "part").write_bytes(DATA)
    assert fetch(server, tmp_path) == DATA
    assert Server.asked == ["bytes=2500000-", "bytes=3000000-"]


def test_what_is_wrong_is_thrown_away_and_nothing_else(server: str, tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(b"the one before")
    with pytest.raises(module("run").Failed, match=f"Found: {SUM}") as caught:
        fetch(server, tmp_path, "ab" * 32)
    assert "hush" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole"]
    assert (tmp_path / "whole").read_bytes() == b"the one before"


def test_what_arrived_is_kept_when_it_ends_for_good(server: str, tmp_path: Path) -> None:
    Server.plan = ["drop", "503"]
    with pytest.raises(module("run").Failed, match="goes on from there") as caught:
        fetch(server, tmp_path)
    assert "hush" not in str(caught.value)
    assert (tmp_path / "part").stat().st_size == 1_000_000
    Server.plan = ["404"]
    with pytest.raises(module("run").Failed, match="the server says 404"):
        fetch(server, tmp_path)


def test_a_full_disk_is_seen_before_and_during(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = Usage(1 << 30, 1 << 30, 100 << 20)
    monkeypatch.setattr(module("fetch").shutil, "disk_usage", lambda _: usage)
    with pytest.raises(module("run").Failed, match=r"the disk is full: 0\.1 GiB are free"):
        fetch(server, tmp_path)
    assert not (tmp_path / "part").exists()

    def no_room(*_: Any) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module("fetch"), "_more", no_room)
    with pytest.raises(module("run").Failed, match="the disk is full"):
        fetch(server, tmp_path)
