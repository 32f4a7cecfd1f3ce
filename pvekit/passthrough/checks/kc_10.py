"""The installed Proxmox VE packages have a known fault that keeps the VM from starting.

qemu-server before 8.2.6 gives up with ``can't reset PCI device`` when a device cannot be reset, together with
libpve-common-perl versions that notice the failed write (commit eff5957, October 2024). Many devices need no reset;
from 8.2.6 on it is a warning, and the start goes on.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.pveversion import PveVersion
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.knowledge import PACKAGE_REGRESSIONS, package_key
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "A Proxmox VE package has a known fault"
LAYER = Layer.VM
SOURCES = ("qemu-server debian/changelog, 8.2.6", "qemu-server commit 458b487b", "pve-common commit eff5957")


def check(versions: PveVersion | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look for the message of a known fault, then at the version."""
    if isinstance(start, Missing):
        return None
    for known in PACKAGE_REGRESSIONS:
        hit = start.first(Pattern(known.sign))
        if hit is None:
            continue
        installed = "" if isinstance(versions, Missing) else versions.packages.get(known.package, "")
        if not installed or isinstance(versions, Missing):
            return unknown(f"{known.text}; the version is not known", hit[1], missing=("pveversion.txt",))
        line = versions.lines[known.package]
        if package_key(installed) < known.fixed:
            return failed(f"{known.package} {installed}: {known.text}", hit[1], line, remedy=Remedy(known.remedy),
                          confidence=Confidence.MEDIUM)  # fmt: skip
        return passed(f"{known.package} {installed} does not have that fault", line)
    return None
