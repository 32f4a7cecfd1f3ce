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
from pvekit.passthrough.romfile import unopened

TITLE = "The ROM file is missing"
LAYER = Layer.ROM
SOURCES = (
    "qemu-server PVE/QemuServer/PCI.pm, print_hostpci_devices()",
    "QEMU hw/pci/pci.c, pci_add_option_rom()",
)
_REMEDY = Remedy("Copy the file to /usr/share/kvm/ on every node the VM may run on, or correct the name in romfile=.")


def check(start: StartLog | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look for QEMU's complaint."""
    found = unopened(start, log)
    if found is None:
        return None
    if found.denied is not None:
        return passed(f"{found.path} is there, but QEMU may not open it", found.line, found.denied)
    if found.missing:
        return failed(f"there is no {found.path}", found.line, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    return unknown(f"QEMU cannot open {found.path}: missing, or not allowed", found.line, missing=("dmesg.txt",))
