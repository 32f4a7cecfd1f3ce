"""Cards that cannot show a picture."""

from __future__ import annotations

from pvekit.passthrough.facts.devices import Device
from pvekit.passthrough.knowledge import HEADLESS_IDS


def headless(device: Device) -> bool:
    """Tell whether a card has no output: a "3D controller" (class 0302), or known to be built without one."""
    return device.klass == "0302" or device.id in HEADLESS_IDS
