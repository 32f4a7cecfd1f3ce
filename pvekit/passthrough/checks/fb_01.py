"""The firmware's framebuffer driver ``efifb`` on the host still holds a part of the card's memory.

The firmware drew its boot screen on this card. The kernel's ``efifb`` driver took that memory over for the text
console and keeps it, so vfio-pci cannot have the whole BAR: ``BAR 1: can't reserve [mem ...]``, often many times a
second, and the guest stays black or its driver fails.

What proves it: in ``/proc/iomem`` (read as root) a range named ``efifb`` inside a BAR of the card. The line ``BAR 1:
assigned to efifb`` proves less: the kernel prints it whichever driver gets the framebuffer in the end. Newer kernels
use another driver for the same memory, see FB-02; the message about the BAR is the same. From Linux 6.0 on vfio-pci
removes the boot framebuffer by itself when it is bound to a VGA device.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import barmap, bootfb
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome

TITLE = "The host's efifb driver holds a BAR of the card"
LAYER = Layer.FRAMEBUFFER
SOURCES = (
    "Linux drivers/video/fbdev/efifb.c, efifb_probe() and efifb_fixup_resources()",
    "Linux drivers/pci/pci.c, __pci_request_region()",
    "Linux drivers/vfio/pci/vfio_pci_core.c, vfio_pci_vga_init() (6.0)",
)
_REMEDY = Remedy(
    "Let the firmware draw its boot screen on another card (firmware setting for the primary display, or another "
    "slot). If this is the only card: boot with video=efifb:off.",
    risk="the host has no console on this card any more; keep SSH or a serial console",
)


def check(
    log: KernelLog | Missing, iomem: Iomem | Missing, target: Target | Missing, kernel: Kernel | Missing,
    cmdline: Cmdline | Missing, devices: Devices | Missing, start: StartLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for efifb in the target's BARs."""
    found = bootfb.holder(log, iomem, target, kernel, cmdline, devices, start)
    return bootfb.judged(found, bootfb.free(iomem, target, devices), barmap.EFIFB, "efifb", _REMEDY)
