"""The memory space below 4 GiB is used up, often by a second graphics card.

Each BAR of the card alone would fit, but not beside those of the other devices, and there is no window above 4 GiB.
Some firmware widens that space by itself when it finds two cards, so only a BAR that got no address counts, never a
sum.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.barmap import human
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.windows import RootWindows
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.unplaced import low_room, placed_low, unplaced

TITLE = "The memory space below 4 GiB is used up"
LAYER = Layer.BARS
FOLLOWS = ("FW-04",)
SOURCES = (
    "Linux drivers/pci/setup-bus.c, pci_bus_assign_resources()",
    "Linux drivers/pci/setup-res.c, pci_assign_resource()",
)
_REMEDY = Remedy(
    "Switch on decoding above 4 GiB in the firmware setup, or take out or move another card.",
    risk="addresses of devices may change",
)


def check(
    target: Target | Missing, log: KernelLog | Missing, windows: RootWindows | Missing, devices: Devices | Missing
) -> Outcome | None:  # fmt: skip
    """Look for a BAR that would have fitted into an empty space."""
    if isinstance(target, Missing) or isinstance(windows, Missing):
        return None
    lost = unplaced(target, log)
    room = low_room(windows)
    if not lost or not room:
        return None
    high = max((window.end - window.start + 1 for window in windows.windows if window.high), default=0)
    fitting = [item for item in lost if item.size is not None and item.size <= room]
    if not fitting:
        return None
    item = max(fitting, key=lambda bar: bar.size or 0)
    if item.wide and high >= (item.size or 0):
        return passed("there is room above 4 GiB", *[window.line for window in windows.windows if window.high])
    others = [device for device in placed_low(devices) if device.gpu and device.bdf.slot != item.bdf.slot]
    return failed(
        f"BAR {item.number} of {item.bdf} needs {human(item.size or 0)} and got no address, though the space below "
        f"4 GiB has {human(room)} in all: it is used up" + (f", also by {others[0].bdf}" if others else ""),
        item.line, *[window.line for window in windows.windows if not window.high][:2],
        remedy=_REMEDY, confidence=Confidence.HIGH if item.read else Confidence.MEDIUM,
    )  # fmt: skip
