"""The host's ``vesafb`` driver still holds a part of the card's memory.

On a host that boots in legacy (CSM) mode with a graphical boot loader the VGA BIOS sets a mode, and the kernel's
``vesafb`` driver keeps that memory under its name. vfio-pci then cannot have the whole BAR. ``/proc/iomem`` (as root)
shows ``vesafb`` inside a BAR of the card; ``fb0: VESA VGA frame buffer device`` in the kernel log opens the question.
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

TITLE = "The host's vesafb driver holds a BAR of the card"
LAYER = Layer.FRAMEBUFFER
SOURCES = ('Linux drivers/video/fbdev/vesafb.c, vesafb_probe(): request_mem_region(..., "vesafb")',)
_REMEDY = Remedy(
    "Boot the host by UEFI instead of CSM, or let the firmware draw its boot screen on another card, or boot with "
    "video=vesafb:off.",
    risk="the host has no console on this card any more; changing to UEFI needs another boot loader installation",
)


def check(
    log: KernelLog | Missing, iomem: Iomem | Missing, target: Target | Missing, kernel: Kernel | Missing,
    cmdline: Cmdline | Missing, devices: Devices | Missing, start: StartLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for vesafb in the target's BARs."""
    found = bootfb.holder(log, iomem, target, kernel, cmdline, devices, start)
    if found is not None and not found.kind:
        return None
    return bootfb.judged(found, bootfb.free(iomem, target, devices), barmap.VESA, "vesafb", _REMEDY)
