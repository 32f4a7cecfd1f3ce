"""The card has a BAR without an address, and the windows of the root buses do not explain it.

lspci shows ``Memory at <unassigned>`` or ``<ignored>``, the kernel ``no space for`` or ``failed to assign``. When
the windows of the root buses are known, FW-04 and FW-05 say which space is too small; this is what remains. The
cause is then mostly the firmware, which sized the bridge above the card too small.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import barmap
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.unplaced import unplaced

TITLE = "The firmware left a BAR of the card without an address"
LAYER = Layer.BARS
FOLLOWS = ("FW-04", "FW-05", "RS-05")
SOURCES = (
    "Linux drivers/pci/setup-res.c, pci_assign_resource()",
    "Linux Documentation/admin-guide/kernel-parameters.txt, pci=realloc",
    "pciutils lspci.c, show_bases()",
)
_REMEDY = Remedy(
    "Try another slot, decoding above 4 GiB in the firmware setup, a firmware update, or pci=realloc=on on the host's "
    "kernel command line.",
    risk="pci=realloc can take other devices' addresses away",
)


def check(target: Target | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Look for BARs without an address."""
    if isinstance(target, Missing):
        return None
    lost = unplaced(target, log)
    if not lost:
        if any(bar.start is not None for device in target.functions for bar in barmap.bars(device)):
            return passed("every memory BAR of the card has an address", *[device.line for device in target.functions])
        return None
    numbers = ", ".join(str(item.number) for item in lost)
    return failed(
        f"no address on the host for BAR {numbers} of {lost[0].bdf}", *[item.line for item in lost], remedy=_REMEDY,
        confidence=Confidence.HIGH if lost[0].read else Confidence.MEDIUM,
    )  # fmt: skip
