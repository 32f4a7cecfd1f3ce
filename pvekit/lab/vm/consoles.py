"""Consoles that somebody may open in the next seconds: one port and one try each, as PVE's proxies are."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

PORTS = range(5900, 6000)
PATIENCE = 10.0
"""Seconds that a proxy waits for its client."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A console that waits; ``password`` is empty for a serial one."""

    vmid: int
    password: str
    until: float


class Consoles:
    """The ports are names only: the client comes over the API's own port, which knows where the console is."""

    def __init__(self) -> None:
        """Begin without any."""
        self._offers: dict[int, Offer] = {}
        self._lock = threading.Lock()

    def offer(self, vmid: int, password: str = "") -> int:
        """Return the port of a new offer; when all are taken, the one that waits longest is given up."""
        with self._lock:
            now = time.monotonic()
            self._offers = {port: offer for port, offer in self._offers.items() if offer.until > now}
            free = next((port for port in PORTS if port not in self._offers), None)
            port = free if free is not None else min(self._offers, key=lambda port: self._offers[port].until)
            self._offers[port] = Offer(vmid, password, now + PATIENCE)
            return port

    def take(self, port: int, vmid: int) -> Offer | None:
        """Return the VM's offer on this port, once; None when nothing waits there."""
        with self._lock:
            found = self._offers.get(port)
            if found is None or found.vmid != vmid or found.until <= time.monotonic():
                return None
            return self._offers.pop(port)
