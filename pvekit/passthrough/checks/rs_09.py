"""A failed reset at the start of a VM that breaks nothing.

Proxmox VE resets each device before a VM starts and says ``failed to reset PCI device '...', but trying to continue
as not all devices need a reset`` when the device has no reset of its own; the kernel's answer to such a write is
``Inappropriate ioctl for device``. QEMU resets the devices again by other means. Alone it means nothing.
"""

from __future__ import annotations

from pvekit.model.finding import Layer
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, noted
from pvekit.passthrough.pattern import Pattern

TITLE = "A harmless message about a reset"
LAYER = Layer.RESET
SOURCES = ("qemu-server PVE/QemuServer/PCI.pm, prepare_pci_device()", "Linux drivers/pci/pci-sysfs.c, reset_store()")
_HARMLESS = Pattern(
    r"failed to reset PCI device '[^']+', but trying to continue"
    r"|error writing '1' to '/sys/bus/pci/devices/[^']+/reset': Inappropriate ioctl for device"
)


def check(start: StartLog | Missing) -> Outcome | None:
    """Look for the message."""
    if isinstance(start, Missing):
        return None
    found = start.first(_HARMLESS)
    if found is None:
        return None
    return noted("the card has no reset of its own, so Proxmox VE goes on without one; that is normal", found[1])
