"""The host's kernel log."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.passthrough import logs
from pvekit.passthrough.facts.sources import Sources
from pvekit.passthrough.logs import Log


@dataclass(frozen=True)
class KernelLog(Log):
    """dmesg or journalctl -k of the host, wrapped NVRM lines joined.

    ``whole`` when it begins with ``Linux version``, goes on past the set-up of PCI and nothing was cut out.
    """


def read(sources: Sources) -> KernelLog | Missing:
    """Read dmesg.txt, with any style of time stamp."""
    lines = sources.of("dmesg.txt")
    if isinstance(lines, Missing):
        return lines
    found = logs.last_boot(logs.entries(lines))
    return KernelLog(found, logs.whole(found))
