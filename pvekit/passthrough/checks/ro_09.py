"""The ROM file is there, but QEMU may not open it.

QEMU says ``failed to find romfile`` for every file it cannot open. Under libvirt it runs as another user and inside
an AppArmor or SELinux profile; a ROM file in a home folder is then out of reach. The kernel log names the file in a
line with ``apparmor="DENIED"`` or ``avc:  denied``. Proxmox VE runs QEMU as root without such a profile.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.romfile import unopened

TITLE = "QEMU may not read the ROM file"
LAYER = Layer.ROM
SOURCES = (
    "QEMU hw/pci/pci.c, pci_add_option_rom() (get_image_size() fails for a file that cannot be opened as well)",
    "Linux security/apparmor/audit.c; libvirt src/security/virt-aa-helper.c",
)
_REMEDY = Remedy("Move the ROM file to a folder that the profile allows, such as /usr/share/kvm or /usr/share/vgabios.")


def check(start: StartLog | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look for QEMU's complaint and for the denial."""
    found = unopened(start, log)
    if found is None:
        return None
    if found.denied is not None:
        message = f"the system does not let QEMU open {found.path}"
        return failed(message, found.line, found.denied, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    if found.missing:
        return passed(f"on Proxmox VE QEMU may read everything there; {found.path} is missing", found.line)
    return unknown(f"QEMU cannot open {found.path}: missing, or not allowed", found.line, missing=("dmesg.txt",))
