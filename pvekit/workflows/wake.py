"""Wakes a node by its network card, and waits until it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from pvekit.adapters import pve as api
from pvekit.adapters import wire
from pvekit.adapters.files import write_atomic
from pvekit.model.errors import HostUnreachable, NotFound, ServerBusy
from pvekit.model.nodelook import Port
from pvekit.workflows.places import data_home
from pvekit.workflows.session import Session

BROADCAST = "255.255.255.255"
_PAUSE = 2.0


def cards(stack: str) -> dict[str, str]:
    """Return the MAC addresses by node that were learned for a stack on this machine."""
    try:
        found = json.loads((data_home() / "stacks" / stack / "cards.json").read_text())
    except (OSError, ValueError):
        return {}
    return {str(node): str(mac) for node, mac in found.items()} if isinstance(found, dict) else {}


def learn(stack: str, ports: Mapping[str, Sequence[Port]]) -> None:
    """Keep which card wakes which node: the one of the first bridge. A node that is off cannot be asked."""
    before = cards(stack)
    after = {**before, **{node: min(found, key=_rank).mac for node, found in ports.items() if found}}
    if after != before:
        write_atomic(data_home() / "stacks" / stack / "cards.json", json.dumps(after, sort_keys=True).encode())


def _rank(port: Port) -> tuple[int, str, str]:
    return len(port.bridge), port.bridge, port.name


def mac_of(stack: str, node: str | None) -> tuple[str, str]:
    """Return a node and its MAC address. Raises NotFound when it was never learned, or when there are several."""
    known = cards(stack)
    if node is None and len(known) == 1:
        return next(iter(known.items()))
    if node is not None and node in known:
        return node, known[node]
    if node is None and known:
        raise NotFound(f"which one? known are: {', '.join(sorted(known))}", status=0, where=stack)
    raise NotFound(
        f"the network card of {node or 'the node'} is not known",
        status=0,
        where=stack,
        hint="While it is on, pvekit power learns it (needs host: ssh:). Or give its MAC address: pvekit wake MAC",
    )


def send(mac: str, to: str | None, port: int) -> None:
    """Send the packet that wakes a card, to all on this network unless ``to`` is given. Raises HostUnreachable."""
    wire.wake(mac, to or BROADCAST, port)


def wait_for_api(session: Session, seconds: float, *, sleep: Callable[[float], None] = time.sleep) -> float:
    """Wait until the API answers and return after how many seconds. Raises HostUnreachable after ``seconds``."""
    begin = time.monotonic()
    while True:
        try:
            api.version(session.pve)
        except (HostUnreachable, ServerBusy) as error:
            if time.monotonic() - begin + _PAUSE > seconds:
                raise HostUnreachable(
                    f"no answer within {seconds:.0f} s: {error.message}",
                    where=error.where,
                    hint="Is Wake-on-LAN on in the firmware setup, and for the card (ethtool NAME: Wake-on: g)? "
                    "A broadcast does not pass routers: --to sends it to your network's broadcast address.",
                ) from error
            sleep(_PAUSE)
        else:
            return time.monotonic() - begin
