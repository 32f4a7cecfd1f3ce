"""The host's ``vesafb`` driver still holds a part of the card's memory.

On a host that boots in legacy (CSM) mode with a graphical boot loader the VGA BIOS sets a mode, and the kernel's
``vesafb`` driver keeps that memory under its name. vfio-pci then cannot have the whole BAR. ``/proc/iomem`` (as root)
shows ``vesafb`` inside a BAR of the card; ``fb0: VESA VGA frame buffer device`` in the kernel log opens the question.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import barmap, bootfb
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

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
    if found is None:
        clear = bootfb.free(iomem, target, devices)
        return passed("no boot framebuffer lies in the card's BARs", *clear) if clear else None
    if not found.kind:
        return None
    if found.kind != barmap.VESA:
        return passed(f"{found.kind} holds the BAR of {found.device}, not vesafb", *found.evidence)
    message = f"vesafb holds a BAR of {found.device}, vfio-pci cannot have it"
    if found.holds and found.read:
        return failed(message, *found.evidence, remedy=_REMEDY)
    if found.holds or found.bound is None:
        return failed(message, *found.evidence, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    return noted(f"the host's console (vesafb) is on {found.device} as long as no VM runs", *found.evidence)
