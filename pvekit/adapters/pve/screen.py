"""A VM's screen and keyboard, through PVE's API alone.

``vncproxy`` gives a ticket, ``vncwebsocket`` carries RFB. The password inside RFB is the answer's ``password``;
before qemu-server 9.1.7 (April 2026) there was none and the ticket itself was it, of which VNC uses eight bytes.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import Any

from pvekit.adapters import rfb
from pvekit.adapters.pve.client import Pve
from pvekit.adapters.pve.facts import status
from pvekit.adapters.pve.websocket import WebSocketClosed, open_websocket
from pvekit.model.errors import ApiError
from pvekit.model.picture import Picture

TRIES = 2
"""Somebody else who opens the console in the same moment changes the password once."""
_HINT = "May the token do VM.Console, and has the VM a display? (vga: none and vga: serial0 have none to show.)"


def screenshot(pve: Pve, node: str, vmid: int, timeout: float = 15.0) -> bytes:
    """Return what a running VM's display shows now, as PNG. It takes no more than ``timeout`` seconds for the picture.

    ApiError says why there is none: the VM is stopped, has no display, or the picture did not come in time.
    PermissionDenied without VM.Console, HostUnreachable without a connection.
    """
    where = f"screen of VM {vmid}"
    deadline = time.monotonic() + timeout
    for attempt in range(1, TRIES + 1):
        try:
            return _grab(pve, f"/nodes/{node}/qemu/{vmid}", where, deadline).png()
        except rfb.RfbRefused as refused:
            if attempt == TRIES:
                raise ApiError(str(refused), status=0, where=where, hint="Try again.") from refused
        except rfb.RfbEnded as ended:
            raise _why_closed(pve, node, vmid, where) from ended
        except rfb.RfbError as wrong:
            raise ApiError(str(wrong), status=0, where=where, hint=_HINT) from wrong
        except TimeoutError as late:
            raise ApiError(
                f"no picture within {timeout:g} s", status=0, where=where, hint="Give it more time, or try again."
            ) from late
    raise ValueError("TRIES must be at least 1")


def send_key(pve: Pve, node: str, vmid: int, key: str) -> None:
    """Press a key or a combination in QEMU's notation (``ret``, ``ctrl-alt-delete``).

    A press whose answer was lost is sent again, so a guest may see it twice. Conflict (STOPPED) if the VM does not
    run, ApiError for a key that QEMU does not know.
    """
    pve.request("PUT", f"/nodes/{node}/qemu/{vmid}/sendkey", {"key": key}, repeatable=True)


def block_reads(pve: Pve, node: str, vmid: int, slot: str) -> int:
    """Return how many bytes the VM has read from a drive (``sata0``) since it was switched on; 0 when stopped.

    A drive that PVE does not count by itself has the sum over all drives.
    """
    now = status(pve, node, vmid)
    drives: Mapping[str, Mapping[str, Any]] = now.get("blockstat") or {}
    counted = drives[slot].get("rd_bytes") if slot in drives else now.get("diskread")
    return int(counted or 0)


def _grab(pve: Pve, path: str, where: str, deadline: float) -> Picture:
    def left() -> float:
        """Return the seconds left; TimeoutError when there are none."""
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    # Repeatable: a proxy that nobody comes to ends by itself after ten seconds.
    ticket = pve.request("POST", f"{path}/vncproxy", {"websocket": True}, repeatable=True)
    with contextlib.ExitStack() as stack:
        socket = open_websocket(pve, path, ticket, stack, where=where, hint=_HINT, timeout=left())

        def receive() -> bytes:
            try:
                return socket.recv(left())
            except WebSocketClosed:
                return b""

        def send(data: bytes) -> None:
            try:
                socket.send(data)
            except WebSocketClosed as closed:
                raise rfb.RfbEnded("the server closed the connection") from closed

        return rfb.grab(rfb.Stream(receive, send), str(ticket.get("password") or ticket["ticket"]))


def _why_closed(pve: Pve, node: str, vmid: int, where: str) -> ApiError:
    """Return the error for a console that closed at once: PVE itself does not say why."""
    with contextlib.suppress(ApiError):
        if status(pve, node, vmid).get("status") == "stopped":
            return ApiError("the VM does not run, so its screen shows nothing", status=0, where=where, hint="Start it.")
    return ApiError("the server closed the screen before a picture came", status=0, where=where, hint=_HINT)
