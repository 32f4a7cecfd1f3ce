"""A small TLS server that answers, or fails to, exactly as a script says: one step for each connection or request."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Reply:
    """An answer; ``body`` None sends none at all, as PVE does with a 401."""

    status: int = 200
    reason: str = "OK"
    body: Any = None
    close: bool = False
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Drop:
    """Close the connection: ``when`` is handshake (before TLS), request (having read it), answer (half of it).

    ``acts`` tells whether the server did what was asked before it closed.
    """

    when: str
    reset: bool = False
    acts: bool = True


@dataclass(frozen=True)
class Silence:
    """Read the request and say nothing for so long (seconds)."""

    seconds: float


Step = Reply | Drop | Silence


class FaultyServer:
    """Serves the steps in the order in which requests (or connections) come; the last one is repeated."""

    def __init__(self, certfile: str, keyfile: str) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certfile, keyfile)
        self.steps: deque[Step] = deque()
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        self.acted = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def script(self, *steps: Step) -> None:
        self.steps.extend(steps)

    def targets(self) -> list[str]:
        return [f"{method} {target}" for method, target, _, _ in self.requests]

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(5)

    def _peek(self) -> Step:
        with self._lock:
            return self.steps[0] if self.steps else Reply(body={"data": None})

    def _take(self) -> Step:
        with self._lock:
            if len(self.steps) > 1:
                return self.steps.popleft()
            return self.steps[0] if self.steps else Reply(body={"data": None})

    def _accept(self) -> None:
        while not self._closed:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(plain)
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        first = self._peek()
        if isinstance(first, Drop) and first.when == "handshake":
            self._take()
            _end(plain, first)
            return
        with contextlib.suppress(OSError, ValueError):
            secure = self.context.wrap_socket(plain, server_side=True)
            self._open.add(secure)
            with secure, secure.makefile("rb") as stream:
                while self._one(secure, stream):
                    pass

    def _one(self, secure: ssl.SSLSocket, stream: Any) -> bool:
        line = stream.readline().decode()
        if not line:
            return False
        method, target, _ = line.split(" ", 2)
        headers: dict[str, str] = {}
        while (row := stream.readline().decode().strip()) != "":
            name, _, value = row.partition(":")
            headers[name.lower()] = value.strip()
        step = self._take()
        if isinstance(step, Reply) and step.close and step.status == 413:
            body = b""  # an early answer: the body is not read
        else:
            body = stream.read(int(headers.get("content-length", 0)))
        self.requests.append((method, target, headers, body))
        if (isinstance(step, Reply) and step.status < 400) or (isinstance(step, Drop) and step.acts):
            self.acted += 1
        if isinstance(step, Silence):
            time.sleep(step.seconds)
            return False
        if isinstance(step, Drop):
            if step.when == "answer":
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            _end(secure, step)
            return False
        secure.sendall(_bytes(step))
        return not step.close


def _bytes(step: Reply) -> bytes:
    if step.raw is not None:
        return step.raw
    body = b"" if step.body is None else json.dumps(step.body).encode()
    head = [f"HTTP/1.1 {step.status} {step.reason}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in step.headers.items()]
    head += ["Connection: close"] if step.close else []
    return "\r\n".join([*head, "", ""]).encode() + body


def _end(one: socket.socket, step: Drop) -> None:
    if step.reset:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif isinstance(one, ssl.SSLSocket):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    one.close()
