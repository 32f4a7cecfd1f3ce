"""The server's half of RFC 6455, as much as a console needs."""

from __future__ import annotations

import base64
import hashlib
import select
import ssl
import struct

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
LIMIT = 1 << 20


def accept_key(key: str) -> str:
    """Return the answer to a handshake's key."""
    return base64.b64encode(hashlib.sha1((key + GUID).encode(), usedforsecurity=False).digest()).decode()


class Closed(Exception):
    """The other side is gone."""


class WebSocket:
    """One conversation; all of it happens in one thread, because a TLS connection allows no other."""

    def __init__(self, connection: ssl.SSLSocket) -> None:
        """Take over a connection whose handshake is done."""
        self._connection = connection
        self._buffer = b""

    def fileno(self) -> int:
        """Return the descriptor, for ``select``."""
        return self._connection.fileno()

    def waiting(self) -> bool:
        """Return whether data lies ready that ``select`` does not see."""
        return bool(self._connection.pending() or self._frame_length())

    def send(self, data: bytes, opcode: int = BINARY) -> None:
        """Send one message."""
        length = len(data)
        if length < 126:
            head = bytes([0x80 | opcode, length])
        elif length < 1 << 16:
            head = bytes([0x80 | opcode, 126]) + struct.pack(">H", length)
        else:
            head = bytes([0x80 | opcode, 127]) + struct.pack(">Q", length)
        try:
            self._connection.sendall(head + data)
        except OSError as gone:
            raise Closed from gone

    def receive(self) -> bytes | None:
        """Return the next message's data, None when nothing complete is there yet; Closed at the end."""
        while (size := self._frame_length()) is None:
            if not (self._connection.pending() or select.select([self._connection], [], [], 0)[0]):
                return None
            try:
                part = self._connection.recv(65536)
            except (ssl.SSLWantReadError, TimeoutError):
                return None
            except OSError as gone:
                raise Closed from gone
            if not part:
                raise Closed
            self._buffer += part
        frame, self._buffer = self._buffer[:size], self._buffer[size:]
        return self._open(frame)

    def _open(self, frame: bytes) -> bytes | None:
        opcode = frame[0] & 15
        start, length = _header(frame)
        data = frame[start : start + length]
        if frame[1] & 0x80:
            mask = frame[start - 4 : start]
            data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
        if opcode == CLOSE:
            self.send(data[:2], CLOSE)
            raise Closed
        if opcode == PING:
            self.send(data, PONG)
            return b""
        return b"" if opcode == PONG else data

    def _frame_length(self) -> int | None:
        """Return the length of the frame at the front of the buffer, None while it is incomplete."""
        if len(self._buffer) < 2:
            return None
        needed = {126: 4, 127: 10}.get(self._buffer[1] & 127, 2) + (4 if self._buffer[1] & 0x80 else 0)
        if len(self._buffer) < needed:
            return None
        start, length = _header(self._buffer)
        if length > LIMIT:
            raise Closed
        return start + length if len(self._buffer) >= start + length else None


def _header(frame: bytes) -> tuple[int, int]:
    """Return where a frame's data starts and how long it is."""
    length, start = frame[1] & 127, 2
    if length == 126:
        length, start = struct.unpack(">H", frame[2:4])[0], 4
    elif length == 127:
        length, start = struct.unpack(">Q", frame[2:10])[0], 10
    return start + (4 if frame[1] & 0x80 else 0), length
