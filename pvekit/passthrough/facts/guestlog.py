"""The guest's kernel log."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.logs import Log


@dataclass(frozen=True)
class GuestLog(Log):
    """dmesg inside the VM, wrapped NVRM lines joined."""


def read(sources: Sources) -> GuestLog | Missing:
    """Read guest/dmesg.txt."""
    lines = sources.of("guest/dmesg.txt")
    if isinstance(lines, Missing):
        return lines
    found = logs.last_boot(logs.entries(lines))
    return GuestLog(found, logs.whole(found))
