"""The VM's screen: as PNG, and as the VNC server that QEMU is."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pvekit.lab.doors import DoorError
from pvekit.lab.qemu.qmp import Qmp, QmpError
from pvekit.model.picture import Picture

PASSWORD_SECONDS = 30
"""How long a password lets a client in, as on PVE."""
_STALLED = 30.0


def screenshot(qmp: Qmp, target: Path) -> None:
    """Write the screen; by QEMU itself where it can write PNG (since 7.1), else by way of its PPM."""
    partial = target.with_suffix(".part")
    try:
        qmp.execute("screendump", {"filename": str(partial), "format": "png"}, timeout=30)
    except QmpError as error:
        if "format" not in str(error) and "png" not in str(error).lower():
            raise DoorError(f"no screenshot: {error}") from error
        qmp.execute("screendump", {"filename": str(partial)}, timeout=30)
        partial.write_bytes(png(partial.read_bytes()))
    partial.rename(target)


def png(ppm: bytes) -> bytes:
    """Return a binary PPM (``P6``, 8 bits a channel) as PNG. DoorError for anything else."""
    header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", ppm)
    width, height = (int(header[1]), int(header[2])) if header else (0, 0)
    data = ppm[header.end() :] if header else b""
    if header is None or len(data) < width * height * 3:
        raise DoorError("QEMU wrote a screen dump that is no binary PPM")
    return Picture(width, height, data[: width * height * 3]).png()


def open_vnc(qmp: Qmp, vmid: int, path: Path, password: str) -> socket.socket:
    """Set the password, as PVE does for every client, and return a stream to QEMU's VNC server."""
    if not path.exists():
        raise DoorError(f"VM {vmid} has no display, or was started before displays were served (restart it)")
    qmp.execute("set_password", {"protocol": "vnc", "password": password})
    qmp.execute("expire_password", {"protocol": "vnc", "time": f"+{PASSWORD_SECONDS}"})
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(_STALLED)
    try:
        stream.connect(str(path))
    except OSError as error:
        stream.close()
        raise DoorError(f"the screen of VM {vmid} cannot be reached on {path}: {error}") from error
    return stream
