"""What was said when a VM was started: PVE's task log, QEMU's and libvirt's log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.asked import Asked
from pvekit.passthrough.attempts import of_vm
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.logs import Entry, Log
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True)
class StartLog(Log):
    """Lines of task.log, qemu.log and libvirt.log; where a VM is asked for, only those of its own starts.

    ``started``: the last start ended well (``TASK OK``) or not (``TASK ERROR``); None when nothing says it.
    """

    started: bool | None = None


_ROLES = ("task.log", "qemu.log", "libvirt.log")
_GOOD = Pattern(r"\bTASK (?:OK|WARNINGS: \d+)\s*$|^Domain '?[^']*'? started\s*$")
_BAD = Pattern(
    r"\bTASK ERROR: (?!Failed to run (?:vnc|term|spice)proxy|VM \d+ already running)|\bstart failed: "
    r"|^error: Failed to start domain|\bshutting down, reason=failed"
)


def read(sources: Sources, asked: Asked, vms: VmConfigs | Missing) -> StartLog | Missing:
    """Read those that are there."""
    present = [role for role in _ROLES if role in sources.roles]
    if not present:
        return Missing(_ROLES[0], "not in the bundle")
    parts = [logs.entries(sources.roles[role]) for role in present]
    if asked.vmid is not None and any(parts):
        parts = [of_vm(asked.vmid, part, vms) for part in parts]
        if not any(parts):
            return Missing(present[0], f"nothing in it is known to be of a start of VM {asked.vmid}")
    endings = (_ending(part) for part in parts)
    started = next((ending for ending in endings if ending is not None), None)
    return StartLog(tuple(entry for part in parts for entry in part), started=started)


def _ending(found: Iterable[Entry]) -> bool | None:
    """Return how the last start ended that the log tells of."""
    ended = None
    for entry in found:
        if _GOOD.search(entry.text):
            ended = True
        elif _BAD.search(entry.text):
            ended = False
    return ended
