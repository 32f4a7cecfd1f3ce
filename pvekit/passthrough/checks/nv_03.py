"""A program was built without code for this generation of cards: ``no kernel image is available for execution``.

Driver and passthrough work. CUDA 13 builds no code for Maxwell, Pascal and Volta any more (sm_50 to sm_70), so
programs and libraries for these cards have to be builds with CUDA 12. New cards have the same message with old
builds.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guesttext import GuestText
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.guestcard import nvidia_card
from pvekit.passthrough.knowledge import CUDA_13_DROPPED
from pvekit.passthrough.outcome import Outcome, failed, passed

TITLE = "Program without code for this card"
LAYER = Layer.GUEST
SOURCES = (
    "NVIDIA CUDA runtime API, cudaErrorNoKernelImageForDevice (209)",
    "NVIDIA CUDA 13.0 release notes: Maxwell, Pascal and Volta removed",
)
_SAID = ("no kernel image is available for execution on the device", "cudaErrorNoKernelImageForDevice")
_OLD = Remedy(
    "Use a build with CUDA 12 (for PyTorch a cu12x wheel), or build for the card's own architecture (sm_61 for Pascal)."
)
_NEW = Remedy("Use a build that has code for this card's architecture.")


def check(
    text: GuestText | Missing, guest: GuestDevices | Missing, target: Target | Missing, driver: GuestDriver | Missing
) -> Outcome | None:
    """Look for the message in whatever came from the guest."""
    card = nvidia_card(guest, target)
    for line in () if isinstance(text, Missing) else text.lines:
        if not any(word in line.text for word in _SAID):
            continue
        kind = card.architecture if card else ""
        return failed(
            "a program has no code for " + (f"{kind} cards" if kind else "this card"), line,
            *(card.lines if card else ()), remedy=_OLD if kind in CUDA_13_DROPPED else _NEW,
            confidence=Confidence.MEDIUM,
        )  # fmt: skip
    if card is not None and card.architecture in CUDA_13_DROPPED and not isinstance(driver, Missing) and driver.works:
        return passed(f"no program complained; {card.architecture} cards need programs built with CUDA 12 or older",
                      *driver.evidence)  # fmt: skip
    return None
