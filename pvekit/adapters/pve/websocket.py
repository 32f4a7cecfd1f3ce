"""A websocket to a VM's console, over the same trust and login as everything else.

The library's protocol without its threads: OpenSSL allows one thread at a time in a connection, and the library's own
client reads in one while it writes in another.
"""

from __future__ import annotations

import contextlib
import select
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidState
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from pvekit.adapters.pve.client import API, Pve
from pvekit.model.errors import ApiError

MAX_MESSAGE = 1 << 20
"""Bytes of the longest message taken; PVE sends at most 128 KiB at once."""
_CHUNK = 1 << 16


class WebSocketClosed(Exception):
    """The server ended the connection."""


class WebSocket:
    """Both directions of one conversation; ``recv`` and ``send`` may be used from two threads."""

    def __init__(self, connection: ssl.SSLSocket, protocol: ClientProtocol) -> None:
        """Use ``open_websocket``."""
        connection.setblocking(False)
        self._connection = connection
        self._protocol = protocol
        self._turn = threading.Lock()
        """Held for every step in the TLS connection or the protocol, never while waiting."""
        self._sending = threading.Lock()
        self._messages: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._over = False

    def shake_hands(self, headers: Mapping[str, str], timeout: float) -> None:
        """Become a websocket. TimeoutError, InvalidHandshake, WebSocketClosed."""
        request = self._protocol.connect()
        request.headers.update(headers)
        self._protocol.send_request(request)
        self._flush()
        deadline = time.monotonic() + timeout
        while self._protocol.state is State.CONNECTING and not self._over:
            self._read(deadline)
            if self._protocol.handshake_exc is not None:
                raise InvalidHandshake(str(self._protocol.handshake_exc)) from self._protocol.handshake_exc
        if self._protocol.state is State.CONNECTING:
            raise WebSocketClosed

    def recv(self, timeout: float | None = None) -> bytes:
        """Return the next message. TimeoutError after ``timeout`` seconds, WebSocketClosed once it is over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._messages:
            if self._over:
                raise WebSocketClosed
            self._read(deadline)
        return self._messages.popleft()

    def send(self, data: str | bytes) -> None:
        """Send one message, as text or binary. WebSocketClosed once it is over."""
        with self._turn:
            if self._protocol.state is not State.OPEN:
                raise WebSocketClosed
            if isinstance(data, str):
                self._protocol.send_text(data.encode())
            else:
                self._protocol.send_binary(data)
        self._flush()

    def close(self) -> None:
        """Say goodbye, if that can be said at once, and end the connection."""
        with contextlib.suppress(OSError, InvalidState, WebSocketClosed):
            with self._turn:
                if self._protocol.state is State.OPEN:
                    self._protocol.send_close()
            self._flush(patience=0.5)
        self._connection.close()

    def _read(self, deadline: float | None) -> None:
        """Take in what comes next."""
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        try:
            with self._turn:
                ready = self._connection.pending() > 0
            ready = ready or bool(select.select([self._connection], [], [], left)[0])
            if ready:
                with self._turn:
                    self._take(self._connection.recv(_CHUNK))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except (OSError, ValueError):
            self._over = True
            return
        # Whoever is gone needs no pong; what it said before is still to be read.
        with contextlib.suppress(WebSocketClosed):
            self._flush()

    def _take(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                self._parts.append(bytes(event.data))
                if event.fin:
                    self._messages.append(b"".join(self._parts))
                    self._parts.clear()
        self._over = not data or self._protocol.state not in (State.CONNECTING, State.OPEN)

    def _flush(self, patience: float | None = None) -> None:
        """Send what the protocol has to say, pongs included."""
        with self._sending:
            with self._turn:
                left = b"".join(self._protocol.data_to_send())
            while left:
                try:
                    with self._turn:
                        left = left[self._connection.send(left) :]
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    if not select.select([], [self._connection], [], patience)[1]:
                        raise WebSocketClosed from None
                except (OSError, ValueError) as gone:
                    raise WebSocketClosed from gone


def open_websocket(
    pve: Pve,
    path: str,
    ticket: Mapping[str, Any],
    stack: contextlib.ExitStack,
    *,
    where: str,
    hint: str,
    timeout: float,
) -> WebSocket:
    """Open the ``vncwebsocket`` that a ``termproxy`` or ``vncproxy`` at ``path`` gave a ticket for.

    ``stack`` closes it. HostUnreachable without a connection, ApiError with ``hint`` if the server refuses.
    """
    secure, host, port, headers = pve.dial()
    target = f"{API}{path}/vncwebsocket?" + urlencode({"port": ticket["port"], "vncticket": ticket["ticket"]})
    # TLS is done already (and its certificate checked): the address only says what the request asks for.
    protocol = ClientProtocol(
        parse_uri(f"ws://{_bracket(host)}:{port}{target}"),
        subprotocols=[Subprotocol("binary")],
        max_size=MAX_MESSAGE,
    )
    opened = WebSocket(secure, protocol)
    stack.callback(opened.close)
    try:
        opened.shake_hands(headers, timeout)
    except (OSError, InvalidHandshake, WebSocketClosed) as error:
        raise ApiError(
            f"the server does not open the console: {error.__class__.__name__}", status=0, where=where, hint=hint
        ) from error
    return opened


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
