"""The card offers a function level reset and hangs in it.

``not ready 65535ms after FLR; giving up``: the device says that it can do a function level reset (FLR), and then does
not answer any more. The kernel has a list of such devices and leaves FLR out for them; this one is not in it. Only
the last message counts: ``waiting`` followed by ``ready`` is a slow device.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted
from pvekit.passthrough.resets import Sign, failures

TITLE = "The card hangs in its function level reset"
LAYER = Layer.RESET
FOLLOWS = ("RO-07",)
SOURCES = (
    "Linux drivers/pci/pci.c, pcie_flr() and pci_dev_wait()",
    "Linux drivers/pci/quirks.c, quirk_no_flr()",
)
_REMEDY = Remedy(
    "Let the host use another reset: echo bus > /sys/bus/pci/devices/ADDRESS/reset_method (from 5.15 on), by a udev "
    "rule or a hook script. Report the device for the kernel's list.",
    risk="a bus reset also resets the other devices of that bus",
)


def check(log: KernelLog | Missing, target: Target | Missing) -> Outcome | None:
    """Look for a reset that did not end, and for what came before it."""
    how = failures(log, target)
    waited, gave_up = how.of(Sign.FLR), how.gave_up(Sign.FLR)
    if not waited:
        return None
    if not gave_up:
        return noted(f"{waited[0].bdf} is slow to come back from a function level reset", waited[-1].line)
    first = how.first(Sign.FLR, Sign.D3, Sign.BUS, Sign.VENDOR)
    return failed(
        f"{gave_up[0].bdf} does not come back from a function level reset",
        gave_up[0].line,
        remedy=_REMEDY,
        confidence=Confidence.MEDIUM if first is Sign.FLR else Confidence.LOW,
    )
