"""Remote desktop from outside: the first packets by hand, and a real client (FreeRDP) on a display of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from pvekit.model.picture import Picture

CLIENT = shutil.which("xfreerdp3") or shutil.which("xfreerdp")
LACKING = [name for name, found in (("xfreerdp", CLIENT), ("Xvfb", shutil.which("Xvfb"))) if not found]
LIGHT = 180
"""xrdp's window is grey (192), Xfce's panel lighter."""
OLD_RDP, TLS = 0, 1
"""Security protocols that a client may offer (MS-RDPBCGR 2.2.1.1.1)."""


def negotiate(address: str, protocols: int) -> tuple[bool, int, x509.Certificate | None]:
    """Offer protocols; return whether the server took one, which (or its reason), and its TLS certificate."""
    request = b"\x0e\xe0\0\0\0\0\0" + struct.pack("<BBHI", 1, 0, 8, protocols)
    with socket.create_connection((address, 3389), timeout=60) as raw:
        raw.sendall(struct.pack(">BBH", 3, 0, 4 + len(request)) + request)
        answer = raw.recv(64)
        kind, _, _, value = struct.unpack("<BBHI", answer[11:19])
        if kind != 2 or value != TLS:
            return kind == 2, value, None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with context.wrap_socket(raw) as tls:
            certificate = tls.getpeercert(binary_form=True)
            assert certificate is not None
            return True, value, x509.load_der_x509_certificate(certificate)


@dataclass(frozen=True)
class Screen:
    """The display of the client; ``folder`` holds its memory as Xvfb maps it into a file."""

    folder: Path
    client: subprocess.Popen[bytes]

    def picture(self) -> Picture:
        """Return what is on it now (the file has the form of xwd)."""
        data = (self.folder / "Xvfb_screen0").read_bytes()
        head = struct.unpack(">20I", data[:80])
        (start, width, height, pixel, stride, colours) = (head[0], head[4], head[5], head[11], head[12], head[19])
        assert pixel == 32
        rows = []
        for row in range(height):
            line = data[start + colours * 12 + row * stride :][: width * 4]
            rgb = bytearray(width * 3)
            # Little-endian 0x00RRGGBB.
            rgb[0::3], rgb[1::3], rgb[2::3] = line[2::4], line[1::4], line[0::4]
            rows.append(bytes(rgb))
        return Picture(width, height, b"".join(rows))

    def until(self, wanted: Callable[[Picture], bool], seconds: float) -> Picture:
        """Wait until the screen shows what is wanted, and return it; the last one when it never does."""
        end = time.monotonic() + seconds
        while True:
            seen = self.picture()
            if wanted(seen) or time.monotonic() > end or self.client.poll() is not None:
                return seen
            time.sleep(2)


@contextlib.contextmanager
def login(address: str, user: str, password: str, folder: Path) -> Iterator[Screen]:
    """Connect with TLS and keep the connection while the block runs. The client's own words are in client.log."""
    folder.mkdir()
    assert CLIENT is not None
    read, write = os.pipe()
    argv = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x768x24", "-fbdir", str(folder), "-nolisten", "tcp"]
    with (folder / "client.log").open("wb") as log, subprocess.Popen(argv, pass_fds=[write], stderr=log) as display:
        os.close(write)
        try:
            with os.fdopen(read) as number:
                name = f":{number.readline().strip()}"
            argv = [CLIENT, f"/v:{address}:3389", f"/u:{user}", f"/p:{password}", "/cert:ignore", "/sec:tls", "/f"]
            environment = {**os.environ, "DISPLAY": name}
            with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment) as client:
                try:
                    yield Screen(folder, client)
                finally:
                    client.terminate()
        finally:
            display.terminate()


def bright(picture: Picture, rows: slice) -> float:
    """Return the share of light pixels in some rows."""
    part = picture.rgb[rows.start * picture.width * 3 : rows.stop * picture.width * 3]
    return sum(value > LIGHT for value in part[::3]) / (len(part) / 3)


def shows_panel(picture: Picture) -> bool:
    """Return whether Xfce's panel is there: a light bar along the top, and no light below it but icons."""
    return bright(picture, slice(2, 22)) > 0.5 and bright(picture, slice(400, 600)) < 0.2


def shows_message(picture: Picture) -> bool:
    """Return whether xrdp's own grey window with its log is there, and no panel."""
    return 0.1 < bright(picture, slice(60, 360)) < 0.6 and not shows_panel(picture)
