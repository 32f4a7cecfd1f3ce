"""A lab in the test's process, and a client that is root's token."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.lab.running import Client, RunningLab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[RunningLab]:
    running = RunningLab(tmp_path / "state", cpus=4)
    yield running
    running.lab.tasks.wait(20)
    running.close()


@pytest.fixture
def api(lab: RunningLab) -> Iterator[Client]:
    client = lab.client()
    yield client
    client.close()


@pytest.fixture
def serving() -> Iterator[Callable[[Path], str]]:
    """Serve a folder over plain HTTP on loopback; call it with the folder to get the address."""
    servers: list[ThreadingHTTPServer] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    def serve(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()
