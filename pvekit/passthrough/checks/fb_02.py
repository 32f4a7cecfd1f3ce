"""The host's boot framebuffer, a ``simple-framebuffer`` device, still holds a part of the card's memory.

The firmware drew its boot screen on this card. Kernels that are built with CONFIG_SYSFB_SIMPLEFB describe it as a
platform device ``simple-framebuffer`` (its memory is called ``BOOTFB`` in ``/proc/iomem``), driven by ``simplefb`` or
``simpledrm``. vfio-pci then cannot have the whole BAR: ``BAR 1: can't reserve [mem ...]``, often many times a second.
PVE kernels do this from 5.15.19-2 on.

``video=efifb:off`` has no effect on it: no ``efifb`` is there to be switched off. The message is the same as in
FB-01; the owner in ``/proc/iomem`` or the kernel's version tell them apart.
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

TITLE = "The host's simple-framebuffer (BOOTFB, simpledrm) holds a BAR of the card"
LAYER = Layer.FRAMEBUFFER
SOURCES = (
    "Linux drivers/firmware/sysfb.c and sysfb_simplefb.c (the resource BOOTFB)",
    "Linux drivers/gpu/drm/sysfb/simpledrm.c",
    "pve-kernel debian/changelog, 5.15.19-2",
)
_REMEDY = Remedy(
    "Let the firmware draw its boot screen on another card. If this is the only card: boot with "
    "initcall_blacklist=sysfb_init, or remove and rescan the card before the VM starts. Remove video=efifb:off, it "
    "does nothing here.",
    risk="the host has no console on this card any more; keep SSH or a serial console",
)


def check(
    log: KernelLog | Missing, iomem: Iomem | Missing, target: Target | Missing, kernel: Kernel | Missing,
    cmdline: Cmdline | Missing, devices: Devices | Missing, start: StartLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for the simple-framebuffer device in the target's BARs."""
    found = bootfb.holder(log, iomem, target, kernel, cmdline, devices, start)
    return bootfb.judged(found, bootfb.free(iomem, target, devices), barmap.SIMPLE, "simple-framebuffer", _REMEDY)
