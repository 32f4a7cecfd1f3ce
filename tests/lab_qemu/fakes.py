"""Servers on unix sockets that answer as QEMU and the guest agent do."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serve(path: Path, talk: Callable[[socket.socket], None]) -> Iterator[None]:
    """Serve clients one after the other, as QEMU's socket chardev does."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                client.settimeout(5)
                try:
                    talk(client)
                except OSError:
                    continue

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield
    ended.set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(6)


def lines(client: socket.socket) -> Iterator[bytes]:
    """Yield what the client sends, line by line, until it leaves."""
    rest = b""
    while received := client.recv(65536):
        rest += received
        while b"\n" in rest:
            line, _, rest = rest.partition(b"\n")
            yield line


def reply(client: socket.socket, **message: object) -> None:
    """Send one JSON line."""
    client.sendall(json.dumps(message).encode() + b"\n")
