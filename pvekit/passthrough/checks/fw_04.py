"""The firmware opens no memory window above 4 GiB, and the card has a BAR that is too large for the space below.

Cards such as the Tesla P40 or M40 want 16 or 32 GiB in one piece. The kernel prints the windows of each root bus
(``root bus resource [mem 0x...-0x... window]``); one whose addresses have nine or more digits lies above 4 GiB.
Without it, or when it is too small, the kernel says ``BAR 1 [mem size 0x800000000 64bit pref]: can't assign; no
space``. The setting is called "Above 4G Decoding" or similar; some machines have it without any setting of that
name.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.barmap import human
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.windows import RootWindows
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.unplaced import low_room, unplaced

TITLE = "No memory window above 4 GiB that the card's BAR fits into"
LAYER = Layer.BARS
SOURCES = (
    "Linux drivers/pci/setup-res.c, pci_assign_resource()",
    "Linux drivers/pci/probe.c, pci_register_host_bridge() (root bus resource)",
)
_REMEDY = Remedy(
    'Switch on decoding above 4 GiB ("Above 4G Decoding", "64-bit PCI resources") in the firmware setup; otherwise '
    "use a card with a smaller BAR. pci=realloc rarely helps.",
    risk="addresses of devices may change; a card whose ROM only knows legacy boot may stop the start",
)
_LARGE = 1 << 29
"""Below 4 GiB there is never room for much more than this beside everything else."""


def check(
    target: Target | Missing, log: KernelLog | Missing, windows: RootWindows | Missing
) -> Outcome | None:  # fmt: skip
    """Compare the BARs that got no place with the windows."""
    if isinstance(target, Missing):
        return None
    lost = [item for item in unplaced(target, log) if item.wide]
    if not lost:
        return None
    item = max(lost, key=lambda bar: bar.size or 0)
    if item.size is None or isinstance(windows, Missing) or not windows.windows:
        if item.size is not None and item.size < _LARGE:
            return None
        if item.size is not None and item.size >= 1 << 32:
            message = f"BAR {item.number} of {item.bdf} needs {human(item.size)} above 4 GiB and has no address"
            return failed(message, item.line, remedy=_REMEDY, confidence=Confidence.MEDIUM)
        return unknown("a large BAR of the card has no address; the root bus windows tell why", item.line,
                       missing=("dmesg.txt",))  # fmt: skip
    high = [window for window in windows.windows if window.high]
    room = max((window.end - window.start + 1 for window in high), default=0)
    if room >= item.size:
        return passed("there is a window above 4 GiB that is large enough", *[window.line for window in high])
    if item.size <= low_room(windows):
        return None
    says = f"the one above 4 GiB has {human(room)}" if room else "there is none above 4 GiB"
    return failed(
        f"BAR {item.number} of {item.bdf} needs {human(item.size)} and has no address: {says}",
        item.line, *[window.line for window in windows.windows[:3]],
        remedy=_REMEDY, confidence=Confidence.HIGH if item.read else Confidence.MEDIUM,
    )  # fmt: skip
