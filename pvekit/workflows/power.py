"""What the nodes draw now."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from pvekit.adapters import hostscript, wire
from pvekit.model.errors import PreflightRefused, PvekitError, TaskFailed
from pvekit.model.power import Draw, Reading, parse, plug
from pvekit.model.stack import Stack
from pvekit.workflows.wake import learn

HERE = "this machine"
_SLACK = 60.0


def here(seconds: int) -> dict[str, Reading]:
    """Return what this machine draws, averaged over ``seconds``."""
    return {HERE: _parsed(HERE, hostscript.run_here("power.sh", [str(seconds)], timeout=seconds + _SLACK))}


def nodes(stack: Stack, seconds: int) -> dict[str, Reading]:
    """Return what every node of ``host: ssh:`` draws, averaged over the same ``seconds``; learns their cards.

    Raises PreflightRefused when the stack file does not say how to reach a node; HostUnreachable.
    """
    settings = stack.host.ssh if stack.host is not None else None
    if settings is None:
        raise PreflightRefused(
            ["the stack file does not say how to reach its nodes by SSH"],
            hint="Add host: {ssh: {nodes: {NODE: {address: …, host_key: …}}}}, or run it on the node: --local",
        )
    from pvekit.adapters.nodessh import Nodes

    with Nodes(settings) as doors, ThreadPoolExecutor(max_workers=8, thread_name_prefix="power") as pool:

        def read(name: str) -> Reading:
            text = doors.door(name).script("power.sh", [str(seconds)], timeout=seconds + _SLACK)
            return _parsed(name, text)

        found = dict(zip(doors.names, pool.map(read, doors.names), strict=True))
    learn(stack.name, {name: reading.ports for name, reading in found.items()})
    return found


def at_plug(url: str) -> Draw:
    """Return what a smart plug measures. Raises HostUnreachable, PvekitError for an answer without a power."""
    try:
        return plug(wire.fetch(url))
    except ValueError as error:
        raise PvekitError(
            str(error),
            where="--plug",
            hint="Tasmota: http://PLUG/cm?cmnd=Status%208, Shelly: http://PLUG/rpc/Switch.GetStatus?id=0 or /status",
        ) from error


def _parsed(name: str, text: str) -> Reading:
    try:
        return parse(text)
    except ValueError as error:
        raise TaskFailed(f"what it answered cannot be read: {error}", where=name) from error
