"""Whether QEMU could open what ``romfile=`` names: it says the same of a missing file and a forbidden one. Pure.

Sources: QEMU hw/pci/pci.c, pci_add_option_rom(); Linux security/apparmor/audit.c, security/selinux/avc.c.
"""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.pattern import Pattern

_NOT_FOUND = Pattern(r"vfio-pci.*failed to find romfile \"(?P<path>[^\"]+)\"")
_DENIED = Pattern(r"(?:apparmor=\"DENIED\".*name=\"(?P<path>[^\"]+)\"|avc:\s+denied .*name=\"(?P<name>[^\"]+)\")")
_FOLDER = "/usr/share/kvm/"
"""Proxmox VE takes ROM files from here, where QEMU runs as root without a profile."""


@dataclass(frozen=True, slots=True)
class Unopened:
    """A ROM file that QEMU did not get. ``denied`` is the kernel's word that it was not allowed to."""

    path: str
    line: Line
    denied: Line | None

    @property
    def missing(self) -> bool:
        """Return whether nothing but a missing file explains it."""
        return self.denied is None and self.path.startswith(_FOLDER)


def unopened(start: StartLog | Missing, log: KernelLog | Missing) -> Unopened | None:
    """Return the file that QEMU complained of, None when it did not."""
    if isinstance(start, Missing) or (found := start.first(_NOT_FOUND)) is None:
        return None
    match, line = found
    path = match["path"]
    for denied, where in () if isinstance(log, Missing) else log.find(_DENIED):
        if denied["path"] == path or (denied["name"] and path.endswith("/" + denied["name"])):
            return Unopened(path, line, where)
    return Unopened(path, line, None)
