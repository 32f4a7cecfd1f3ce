"""The closed NVIDIA kernel modules are installed, and the card needs the open ones.

From Blackwell on (RTX 50, RTX PRO Blackwell) NVIDIA supports only its open kernel modules. In the guest's log:
``installed in this system requires use of the NVIDIA open kernel modules``, followed by ``RmInitAdapter failed``.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.guestcard import nvidia_card
from pvekit.passthrough.knowledge import NVIDIA_OPEN_MODULES_NEEDED
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import said

TITLE = "The card needs the open kernel modules"
LAYER = Layer.GUEST
SOURCES = (
    "NVIDIA driver 580.105.08, kernel message",
    "NVIDIA: transition to open GPU kernel modules, driver release 560",
)
_SAID = r"requires use of the\s+NVIDIA open kernel modules"
_REMEDY = Remedy(
    "Install the open modules in the guest (a package with -open in its name; NVIDIA's installer: -M open)."
)


def check(
    guest: GuestDevices | Missing, target: Target | Missing, driver: GuestDriver | Missing, log: GuestLog | Missing
) -> Outcome | None:
    """Look for the driver's refusal, then compare the modules with the card."""
    hit = said(_SAID, log)
    if hit is not None:
        return failed("the closed kernel modules do not support the card", hit[1],
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    card = nvidia_card(guest, target)
    if isinstance(driver, Missing) or card is None or card.architecture not in NVIDIA_OPEN_MODULES_NEEDED:
        return None
    if driver.licence == "NVIDIA" and not driver.works:
        return failed(f"the closed modules are installed, and a {card.architecture} card needs the open ones",
                      *driver.evidence, *card.lines, remedy=_REMEDY)  # fmt: skip
    return passed("the open modules are installed", *driver.evidence) if driver.licence else None
