"""The card's auxiliary power is missing or too weak, so the driver does not start it.

``GPU does not have the necessary power cables connected`` comes from the card's own measurement. A loose plug, a
faulty cable, an adapter or a weak power supply look the same.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import said

TITLE = "The card's power cable is missing"
LAYER = Layer.GUEST
SOURCES = ("NVIDIA open-gpu-kernel-modules src/nvidia/arch/nvalloc/unix/src/osinit.c, RmInitAdapter()",)
_SAID = r"NVRM: .*GPU.*does not have the necessary power cables connected"
_REMEDY = Remedy("Switch the host off, connect every power plug of the card with a cable of its own, and try again.")


def check(log: GuestLog | Missing, driver: GuestDriver | Missing) -> Outcome | None:
    """Look for the driver's word."""
    hit = said(_SAID, log)
    if hit is not None:
        return failed("the driver says that a power cable of the card is not connected", hit[1], remedy=_REMEDY,
                      confidence=Confidence.MEDIUM)  # fmt: skip
    if not isinstance(driver, Missing) and driver.works:
        return passed("the driver started the card", *driver.evidence)
    return None
