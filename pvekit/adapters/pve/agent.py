"""The guest agent, through PVE. An agent that is not there (yet) is an ApiError with ``Cause.AGENT_SILENT``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pvekit.adapters.pve.client import Pve
from pvekit.adapters.pve.errors import Cause, cause
from pvekit.model.errors import ApiError, Conflict, GuestNotReady


@dataclass(frozen=True, slots=True)
class Interface:
    """A network card as the guest sees it; ``mac`` in upper case, ``addresses`` without prefix length."""

    name: str
    mac: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command in the guest ended. ``code`` is None if a signal ended it."""

    code: int | None
    out: str
    err: str

    @property
    def ok(self) -> bool:
        """Return whether it ended with 0."""
        return self.code == 0


def _path(node: str, vmid: int, command: str) -> str:
    return f"/nodes/{node}/qemu/{vmid}/agent/{command}"


def ping(pve: Pve, node: str, vmid: int) -> bool:
    """Return whether the agent answers. False also for a VM that is not running."""
    try:
        pve.request("POST", _path(node, vmid, "ping"), repeatable=True)
    except (ApiError, Conflict) as error:
        if cause(error) in {Cause.AGENT_SILENT, Cause.STOPPED}:
            return False
        raise
    return True


def interfaces(pve: Pve, node: str, vmid: int) -> tuple[Interface, ...]:
    """Return the guest's network cards, loopback left out."""
    rows = pve.get(_path(node, vmid, "network-get-interfaces"))["result"]
    return tuple(
        Interface(
            str(row["name"]),
            str(row.get("hardware-address", "")).upper(),
            tuple(str(address["ip-address"]) for address in row.get("ip-addresses", ())),
        )
        for row in rows
        if row.get("hardware-address") not in (None, "00:00:00:00:00:00")
    )


def read_file(pve: Pve, node: str, vmid: int, file: str) -> str:
    """Return a file of the guest (at most 16 MiB). ApiError if the guest cannot read it."""
    return str(pve.get(_path(node, vmid, "file-read"), file=file)["content"])


def run(
    pve: Pve,
    node: str,
    vmid: int,
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Ran:
    """Run a command in the guest and wait for its end. GuestNotReady after ``timeout`` seconds; it may go on."""
    wanted = {"command": list(argv), "input-data": stdin}
    pid = int(pve.request("POST", _path(node, vmid, "exec"), wanted)["pid"])
    end = time.monotonic() + timeout
    pause = 0.1
    while True:
        answer = pve.get(_path(node, vmid, "exec-status"), pid=pid)
        if int(answer.get("exited", 0)):
            code = answer.get("exitcode")
            return Ran(
                None if code is None else int(code), str(answer.get("out-data", "")), str(answer.get("err-data", ""))
            )
        if time.monotonic() + pause > end:
            raise GuestNotReady(
                f"`{' '.join(argv)}` did not end within {timeout:g} s", where=f"VM {vmid} (guest agent)"
            )
        sleep(pause)
        pause = min(1.0, pause * 1.5)
