"""Two small things on the local network: a packet that wakes a machine, and what a smart plug answers."""

from __future__ import annotations

import socket

from pvekit.adapters import redirects
from pvekit.model.errors import HostUnreachable
from pvekit.model.power import magic_packet

_PLUG_BYTES = 1 << 20


def wake(mac: str, address: str, port: int) -> None:
    """Send the magic packet three times, by UDP, to a broadcast or single address. Raises HostUnreachable."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            # Nobody confirms such a packet, and one may get lost.
            for _ in range(3):
                out.sendto(magic_packet(mac), (address, port))
    except OSError as error:
        raise HostUnreachable(
            f"the packet cannot be sent: {error.strerror or error}",
            where=f"{address}:{port}",
            hint="Give the broadcast address of your network: --to 192.168.1.255",
        ) from error


def fetch(url: str, *, timeout: float = 10.0) -> str:
    """Return what a plug answers. Raises HostUnreachable."""
    import requests

    # What is in the address behind @ or ? may be a password: it is never shown.
    shown = url.partition("?")[0].rpartition("@")[2]
    hint = "Open the address in a browser: it has to show JSON with the power in it."
    try:
        with (
            redirects.session() as session,
            session.get(url, timeout=timeout, stream=True, allow_redirects=False) as answer,
        ):
            if answer.status_code != 200:
                raise HostUnreachable(f"the plug answered {answer.status_code}", where=shown, hint=hint)
            return answer.raw.read(_PLUG_BYTES, decode_content=True).decode(errors="replace")
    except (requests.RequestException, OSError, ValueError) as error:
        # Without `from`: such errors quote the whole address.
        raise HostUnreachable(f"the plug does not answer ({type(error).__name__})", where=shown, hint=hint) from None
