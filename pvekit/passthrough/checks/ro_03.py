"""The ROM file named in ``romfile=`` is not where QEMU looks for it.

Proxmox VE takes the name as a file below ``/usr/share/kvm`` and hands the full path to QEMU, which ends with ``failed
to find romfile``. QEMU says the same when it may not open the file (RO-09); on Proxmox VE it runs as root without a
profile, so there the file is missing.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "The ROM file is missing"
LAYER = Layer.ROM
SOURCES = (
    "qemu-server PVE/QemuServer/PCI.pm, print_hostpci_devices()",
    "QEMU hw/pci/pci.c, pci_add_option_rom()",
)
_REMEDY = Remedy("Copy the file to /usr/share/kvm/ on every node the VM may run on, or correct the name in romfile=.")
_NOT_FOUND = Pattern(r"vfio-pci.*failed to find romfile \"(?P<path>[^\"]+)\"")
_DENIED = Pattern(r"apparmor=\"DENIED\".*name=\"(?P<path>[^\"]+)\"")


def check(start: StartLog | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look for QEMU's complaint."""
    if isinstance(start, Missing) or (found := start.first(_NOT_FOUND)) is None:
        return None
    match, line = found
    path = match["path"]
    if not isinstance(log, Missing):
        for denied, where in log.find(_DENIED):
            if denied["path"] == path:
                return passed(f"{path} is there, but QEMU may not open it", line, where)
    if path.startswith("/usr/share/kvm/"):
        return failed(f"there is no {path}", line, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    return unknown(f"QEMU cannot open {path}: missing, or not allowed", line, missing=("dmesg.txt",))
