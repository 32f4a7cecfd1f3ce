"""The screen of a hollow guest: a plain picture with a square for each key pressed, served as QEMU serves VNC."""

from __future__ import annotations

import hashlib
import secrets
import select
import socket
import struct
import threading
from collections.abc import Callable, Sequence

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from pvekit.model.picture import Picture

WIDTH, HEIGHT = 320, 200
SQUARE = 16
MOST_KEYS = (WIDTH // SQUARE) * (HEIGHT // SQUARE)
_GROUND = b"\x10\x20\x40"
IDLE_SECONDS = 60.0
_LOOK_EACH = 0.1
_LENGTHS = {0: 19, 3: 9, 4: 7, 5: 5}
"""Bytes after the first of the messages whose length is fixed."""
_PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)


def picture(keys: Sequence[str]) -> Picture:
    """Return the screen after these keys: the latest that fit, from the top left, each key in its own colour."""
    shown = keys[-MOST_KEYS:]
    across = WIDTH // SQUARE
    rows: list[bytes] = []
    for top in range(HEIGHT // SQUARE + 1):
        line = shown[top * across : (top + 1) * across]
        strip = b"".join(_colour(key) * (SQUARE - 2) + _GROUND * 2 for key in line)
        lit = strip + _GROUND * (WIDTH - SQUARE * len(line))
        rows += [lit] * (SQUARE - 2) + [_GROUND * WIDTH] * 2
    return Picture(WIDTH, HEIGHT, b"".join(rows[:HEIGHT]))


def _colour(key: str) -> bytes:
    """Return a light colour that belongs to the key."""
    return bytes(0x80 | byte for byte in hashlib.sha256(key.encode()).digest()[:3])


def connect(password: str, look: Callable[[], Picture]) -> socket.socket:
    """Return a stream to a VNC server that asks for the password and shows what ``look`` returns."""
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=_serve, args=(theirs, password, look), name="hollow screen", daemon=True)
    thread.start()
    return ours


def _serve(stream: socket.socket, password: str, look: Callable[[], Picture]) -> None:
    with stream:
        stream.settimeout(IDLE_SECONDS)
        talk = _Talk(stream)
        try:
            if talk.log_in(password):
                talk.show(look)
        except (OSError, EOFError):
            return


class _Talk:
    """The server's half of RFB 3.8, Raw and 32 bits a pixel only."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self.say = stream.sendall

    def exact(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self._stream.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def log_in(self, password: str) -> bool:
        """Return whether the client knows the password."""
        self.say(b"RFB 003.008\n")
        self.exact(12)
        self.say(b"\1\2")
        if self.exact(1) != b"\2":
            return False
        challenge = secrets.token_bytes(16)
        self.say(challenge)
        if _opened(password, self.exact(16)) != challenge:
            why = b"Authentication failed"
            self.say(struct.pack(">II", 1, len(why)) + why)
            return False
        self.say(struct.pack(">I", 0))
        return True

    def show(self, look: Callable[[], Picture]) -> None:
        """Answer until the client leaves; a client that waits for a change gets it when it comes."""
        self.exact(1)
        name = b"hollow"
        self.say(struct.pack(">HH", WIDTH, HEIGHT) + _PIXELS + struct.pack(">I", len(name)) + name)
        shown: Picture | None = None
        waits = False
        while True:
            if waits and (now := look()) != shown:
                self._frame(now)
                shown, waits = now, False
            if waits and not select.select([self._stream], [], [], _LOOK_EACH)[0]:
                continue
            kind, body = self._message()
            if kind == 3:
                waits = True
                shown = shown if body[0] else None

    def _message(self) -> tuple[int, bytes]:
        kind = self.exact(1)[0]
        if kind in _LENGTHS:
            return kind, self.exact(_LENGTHS[kind])
        if kind == 2:
            (count,) = struct.unpack(">xH", self.exact(3))
            return kind, self.exact(4 * count)
        if kind == 6:
            (length,) = struct.unpack(">3xI", self.exact(7))
            return kind, self.exact(min(length, 1 << 20))
        raise EOFError

    def _frame(self, now: Picture) -> None:
        pixels = bytearray(now.width * now.height * 4)
        for channel in range(3):
            pixels[2 - channel :: 4] = now.rgb[channel::3]
        self.say(struct.pack(">BxHHHHHi", 0, 1, 0, 0, now.width, now.height, 0) + pixels)


def _opened(password: str, answer: bytes) -> bytes:
    """Return the challenge that this answer belongs to (RFC 6143, 7.2.2)."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password.encode("latin-1")[:8].ljust(8, b"\0"))
    cipher = Cipher(TripleDES(key * 3), modes.ECB()).decryptor()  # noqa: S305 - the protocol's choice
    return cipher.update(answer) + cipher.finalize()
