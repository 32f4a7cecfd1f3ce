"""The machine has no graphics card with outputs besides the headless one, so the host has no console.

Compute and mining cards (class 0302, "3D controller"; P106-100 and its like) have no outputs. Some machines do not
start at all without a card that can show a picture: an HP workstation stops with beeps. If the host runs, nothing
is broken, but there is no screen to help when the network is gone.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.headless import headless
from pvekit.passthrough.outcome import Outcome, noted, passed

TITLE = "No card can show the host's console"
LAYER = Layer.FRAMEBUFFER
SOURCES = (
    "PCI ID database, device classes 0300 and 0302",
    "Tom's Hardware forum, HP Z640: six beeps with a card without UEFI ROM",
)
_REMEDY = Remedy(
    "Keep a small graphics card in the first slot, or be sure of a serial console or remote management.",
    risk="without a screen a host that loses its network cannot be reached",
)


def check(devices: Devices | Missing) -> Outcome | None:
    """Look for a card with outputs beside a headless one."""
    if isinstance(devices, Missing):
        return None
    blind = [device for device in devices if device.gpu and headless(device)]
    if not blind or not devices.whole or any(not device.klass for device in devices):
        return None
    seeing = [device for device in devices if device.klass in ("0300", "0380") and not headless(device)]
    if seeing:
        return passed(f"{seeing[0].bdf} can show the host's console", seeing[0].line)
    return noted(f"{blind[0].bdf} has no outputs, and there is no other card", blind[0].line, remedy=_REMEDY)
