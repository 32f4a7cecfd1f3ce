"""A port of a machine behind SSH, made reachable on this machine's loopback."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pvekit.adapters.ssh import Session

if TYPE_CHECKING:
    import paramiko

_PIECE = 65536
_OPEN_SECONDS = 30.0


@contextlib.contextmanager
def forwarded(session: Session, port: int, host: str = "127.0.0.1") -> Iterator[int]:
    """Give a free port here whose connections end at ``host:port`` as the other machine sees it.

    A connection that the other side does not take is closed at once, as if nothing listened. Only programs of this
    machine can use the port, and only while the block runs.
    """
    door = socket.create_server(("127.0.0.1", 0), backlog=64)
    door.settimeout(0.2)
    stop = threading.Event()
    # The session has no public way to a channel of this kind.
    transport = session._transport  # noqa: SLF001
    ways: list[threading.Thread] = []

    def accept() -> None:
        while not stop.is_set():
            try:
                near, _ = door.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            way = threading.Thread(target=_way, args=(transport, near, (host, port), stop), daemon=True)
            way.start()
            ways.append(way)

    thread = threading.Thread(target=accept, name=f"forward-{port}", daemon=True)
    thread.start()
    try:
        yield door.getsockname()[1]
    finally:
        stop.set()
        thread.join()
        door.close()
        for way in ways:
            way.join(5.0)


def _way(transport: paramiko.Transport, near: socket.socket, to: tuple[str, int], stop: threading.Event) -> None:
    """Carry one connection to its end."""
    import paramiko

    with near:
        try:
            far = transport.open_channel("direct-tcpip", to, near.getpeername(), timeout=_OPEN_SECONDS)
        except (paramiko.SSHException, OSError, EOFError):
            _reset(near)
            return
        with contextlib.closing(far), contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _carry(near, far, stop)


def _carry(near: socket.socket, far: paramiko.Channel, stop: threading.Event) -> None:
    while not stop.is_set():
        both: list[Any] = [near, far]
        ready, _, _ = select.select(both, [], [], 0.5)
        if near in ready:
            piece = near.recv(_PIECE)
            if not piece:
                return
            far.sendall(piece)
        if far in ready:
            piece = far.recv(_PIECE)
            if not piece:
                return
            near.sendall(piece)


def _reset(near: socket.socket) -> None:
    """End a connection with a reset, so that the client learns that nothing took it."""
    with contextlib.suppress(OSError):
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
