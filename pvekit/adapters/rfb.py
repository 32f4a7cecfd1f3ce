"""One picture from a VNC server: the client's half of RFB 3.8 (RFC 6143), as much as a screenshot needs.

Security types None and VNC authentication, Raw rectangles and the DesktopSize pseudo-encoding. Bytes come and go
through two functions, so the same code works over a websocket, a socket or a test's list.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from pvekit.model.picture import Picture

MAX_PIXELS = 1 << 24
"""The largest screen taken: 4096 x 4096, which is 64 MiB on the wire."""
MAX_TEXT = 1 << 20
"""Bytes of the longest text (name, reason, clipboard) read from a server."""
MAX_ROUNDS = 8
"""Full updates asked for before a server that never sends the whole screen is given up."""
_MAX_MESSAGES = 1000
_NONE, _VNC_AUTH = 1, 2
_RAW, _DESKTOP_SIZE = 0, -223
_PIXELS = struct.pack(">BBBBHHHBBB3x", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
"""32 bits a pixel, little-endian true colour: the bytes are blue, green, red, nothing."""


class RfbError(Exception):
    """The other side does not speak RFB as it should, or sends more than is taken; the text says what."""


class RfbRefused(RfbError):
    """The server does not let us in."""


class RfbEnded(RfbError):
    """The server closed the connection."""


class Stream:
    """Exact reads over whatever brings the bytes.

    ``receive`` returns the next bytes, empty ones at the end, and may raise what it likes when time is up.
    """

    def __init__(self, receive: Callable[[], bytes], send: Callable[[bytes], None]) -> None:
        """Take both directions."""
        self._receive = receive
        self.send = send
        self._buffer = bytearray()

    def exact(self, count: int) -> bytes:
        """Return the next ``count`` bytes. RfbEnded when the server closes before."""
        while len(self._buffer) < count:
            part = self._receive()
            if not part:
                raise RfbEnded("the server closed the connection")
            self._buffer += part
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    def numbers(self, layout: str) -> tuple[int, ...]:
        """Return numbers in network byte order, as ``struct`` describes them."""
        return struct.unpack(f">{layout}", self.exact(struct.calcsize(f">{layout}")))

    def text(self) -> str:
        """Return a text that comes with its length."""
        (length,) = self.numbers("I")
        if length > MAX_TEXT:
            raise RfbError(f"the server sends a text of {length} bytes")
        return self.exact(length).decode("latin-1")


class _Canvas:
    """The screen as far as it has come, four bytes a pixel."""

    def __init__(self, width: int, height: int) -> None:
        if not 0 < width * height <= MAX_PIXELS:
            raise RfbError(f"the server has a screen of {width} x {height} pixels")
        self.width, self.height = width, height
        self.pixels = bytearray(width * height * 4)
        self._drawn = bytearray(width * height)

    @property
    def complete(self) -> bool:
        """Return whether every pixel has come."""
        return b"\0" not in self._drawn

    def draw(self, left: int, top: int, width: int, height: int, stream: Stream) -> None:
        """Read one Raw rectangle into its place."""
        if left + width > self.width or top + height > self.height:
            raise RfbError(f"a rectangle of {width} x {height} at {left}, {top} is outside the screen")
        row = width * 4
        data = stream.exact(row * height)
        for line in range(height):
            at = (top + line) * self.width + left
            self.pixels[at * 4 : at * 4 + row] = data[line * row : (line + 1) * row]
            self._drawn[at : at + width] = b"\1" * width

    def picture(self) -> Picture:
        """Return it with red, green and blue in this order."""
        rgb = bytearray(self.width * self.height * 3)
        for channel in range(3):
            rgb[channel::3] = self.pixels[2 - channel :: 4]
        return Picture(self.width, self.height, bytes(rgb))


def grab(stream: Stream, password: str) -> Picture:
    """Shake hands and return the whole screen as it is now.

    RfbRefused for a wrong password, RfbEnded and RfbError for a server that leaves or talks nonsense; what the
    stream's ``receive`` raises goes through.
    """
    shake_hands(stream, password)
    stream.send(b"\1")  # shared: whoever looks at the console already is not thrown out
    width, height = stream.numbers("HH16x")
    stream.text()
    canvas = _Canvas(width, height)
    stream.send(b"\0\0\0\0" + _PIXELS)
    stream.send(struct.pack(">BxHii", 2, 2, _RAW, _DESKTOP_SIZE))
    for _ in range(MAX_ROUNDS):
        stream.send(struct.pack(">BBHHHH", 3, 0, 0, 0, canvas.width, canvas.height))
        canvas = _update(stream, canvas)
        if canvas.complete:
            return canvas.picture()
    raise RfbError("the server never sends its whole screen")


def shake_hands(stream: Stream, password: str) -> None:
    """Agree on RFB 3.8 and log in."""
    found = re.fullmatch(rb"RFB (\d{3})\.(\d{3})\n", stream.exact(12))
    if found is None:
        raise RfbError("the server does not speak RFB")
    if (int(found[1]), int(found[2])) < (3, 8):
        raise RfbError(f"the server speaks RFB {int(found[1])}.{int(found[2])}, not 3.8")
    stream.send(b"RFB 003.008\n")
    (count,) = stream.numbers("B")
    if not count:
        raise RfbRefused(f"the server takes no client: {stream.text()}")
    offered = stream.exact(count)
    if _VNC_AUTH in offered:
        stream.send(bytes([_VNC_AUTH]))
        stream.send(answer(password.encode("latin-1", "replace"), stream.exact(16)))
    elif _NONE in offered:
        stream.send(bytes([_NONE]))
    else:
        raise RfbError(f"the server offers only security types {', '.join(map(str, offered))}")
    (result,) = stream.numbers("I")
    if result:
        raise RfbRefused(f"the server refuses: {stream.text()}" if result == 1 else "too many tries")


def answer(password: bytes, challenge: bytes) -> bytes:
    """Return the answer to a challenge of VNC authentication: DES, its key the password's first eight bytes.

    The bits of each byte are in reverse order (RFC 6143, 7.2.2). Three equal keys make Triple DES the single one.
    """
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in password[:8].ljust(8, b"\0"))
    cipher = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305 - the protocol's choice
    return cipher.update(challenge) + cipher.finalize()


def _update(stream: Stream, canvas: _Canvas) -> _Canvas:
    """Read until one framebuffer update has come and return the screen, a new one if its size changed."""
    for _ in range(_MAX_MESSAGES):
        (kind,) = stream.numbers("B")
        if kind == 0:
            return _rectangles(stream, canvas)
        if kind == 1:  # colours of a palette, which true colour has not
            _, count = stream.numbers("xHH")
            stream.exact(count * 6)
        elif kind == 3:  # the guest's clipboard
            stream.exact(3)
            stream.text()
        elif kind != 2:  # 2 is the bell
            raise RfbError(f"the server sends a message of type {kind}")
    raise RfbError("the server sends everything but its screen")


def _rectangles(stream: Stream, canvas: _Canvas) -> _Canvas:
    (count,) = stream.numbers("xH")
    for _ in range(count):
        left, top, width, height, encoding = stream.numbers("HHHHi")
        if encoding == _DESKTOP_SIZE:
            canvas = _Canvas(width, height)
        elif encoding == _RAW:
            canvas.draw(left, top, width, height, stream)
        else:
            raise RfbError(f"the server sends a rectangle in encoding {encoding}")
    return canvas
