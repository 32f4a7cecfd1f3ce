"""A blacklist also takes away the driver of the host's own card.

``blacklist nvidia`` (or amdgpu, i915 ...) is about the module and not about one card: a second card of that maker,
the host's display, stays without a driver as well. The console then works only as far as the firmware's framebuffer
goes. For passthrough it is no fault.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import blacklisted
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, noted, passed

TITLE = "A blacklist takes the driver from the host's own card"
LAYER = Layer.BINDING
SOURCES = ("modprobe.d(5), blacklist",)
_DRIVERS = {"10de": ("nvidia", "nouveau"), "1002": ("amdgpu", "radeon"), "8086": ("i915", "xe")}
_REMEDY = Remedy(
    "Take the blacklist away and bind only the card to pass, by address (driver_override) or by its ids.",
    "The host has no accelerated console.",
)


def check(
    devices: Devices | Missing, modprobe: Modprobe | Missing, target: Target | Missing, cmdline: Cmdline | Missing
) -> Outcome | None:
    """Look for a blacklisted driver of the boot display."""
    if isinstance(devices, Missing) or isinstance(modprobe, Missing) or isinstance(target, Missing):
        return None
    never = blacklisted(modprobe, cmdline)
    ours = [device for device in devices if device.gpu and device.boot_vga and device.bdf not in set(target.bdfs)]
    for device in ours:
        drivers = _DRIVERS.get(device.vendor, ())
        gone = [name for name in drivers if name in never]
        if gone and device.driver == "" and all(name in never for name in drivers):
            return noted(
                f"{device.bdf}, the host's display, has no driver: {', '.join(gone)} is blacklisted",
                device.line, *[never[name] for name in gone], remedy=_REMEDY,
            )  # fmt: skip
        if device.driver:
            return passed(f"the host's display has its driver, {device.driver}", device.line)
    return None
