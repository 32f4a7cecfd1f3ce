"""NVIDIA's open kernel modules are installed, and the card is too old for them.

They need a GPU System Processor (GSP), which cards have from Turing on (GTX 16, RTX 20). For Maxwell, Pascal and
Volta only the closed modules work, up to branch 580. In the guest's log: ``is not supported by open nvidia.ko because
it does not include the required GPU System Processor (GSP)``, wrapped over several lines.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.guestcard import nvidia_card
from pvekit.passthrough.knowledge import NVIDIA_OPEN_MODULES_WORK
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import said

TITLE = "Open kernel modules on a card that is too old"
LAYER = Layer.GUEST
SOURCES = ("NVIDIA open-gpu-kernel-modules src/nvidia/arch/nvalloc/unix/src/osapi.c, rm_is_supported_device()",)
_SAID = Pattern(
    r"NVRM: The NVIDIA GPU .*is not supported by open\s+nvidia\.ko because it does not include the required GPU"
    r"|is not supported by open(?:\s+NVRM:)?\s+nvidia\.ko because it does not include the required GPU"
)
_OPEN = "Dual MIT/GPL"
_REMEDY = Remedy(
    "Install the closed modules of branch 580 or older in the guest (a package without -open in its name; NVIDIA's "
    "installer: -M proprietary)."
)


def check(
    guest: GuestDevices | Missing, target: Target | Missing, driver: GuestDriver | Missing, log: GuestLog | Missing
) -> Outcome | None:
    """Look for the driver's refusal, then compare the modules with the card."""
    hit = said(_SAID, log)
    if hit is not None:
        return failed("the open kernel modules do not support the card", hit[1],
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    card = nvidia_card(guest, target)
    if isinstance(driver, Missing) or not driver.licence or card is None or not card.architecture:
        return None
    opened = driver.licence == _OPEN
    if opened and not driver.works and card.architecture not in NVIDIA_OPEN_MODULES_WORK:
        return failed(f"the open kernel modules are installed, and a {card.architecture} card has no GSP",
                      *driver.evidence, *card.lines, remedy=_REMEDY)  # fmt: skip
    return passed(f"the {'open' if opened else 'closed'} kernel modules are installed", *driver.evidence)
