"""The NVIDIA driver in the guest is of a branch that does not support the card.

Branch 580 is the last for Maxwell, Pascal and Volta (GTX 900 and 10, P106, P40, Titan V); 590 and later ignore such
cards. 470 is the last for Kepler, 390 for Fermi. The other way round, a new card needs a new enough branch. In the
guest's log: ``is supported through the NVIDIA 580.xx Legacy drivers``, or ``is not supported by the NVIDIA ... driver
release``. The ordinary driver says the latter of a vGPU as well (NV-12), whatever its branch.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.guestcard import fits, named_by, nvidia_card
from pvekit.passthrough.knowledge import FIRST_NVIDIA_BRANCH, LAST_NVIDIA_BRANCH
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import said

TITLE = "The driver's branch does not support the card"
LAYER = Layer.GUEST
SOURCES = (
    "NVIDIA open-gpu-kernel-modules src/nvidia/arch/nvalloc/unix/src/osapi.c, rm_is_supported_device()",
    "NVIDIA: list of supported GPUs by driver branch",
    "NixOS/nixos-hardware#1880 (the legacy message of 595)",
)
_LEGACY = Pattern(r"supported through the\s+NVIDIA (\d+)\.xx Legacy drivers")
_UNSUPPORTED = Pattern(
    r"NVRM: The NVIDIA GPU .*installed in this system is not supported by the\s+NVIDIA (\d+)\S* driver"
)
_IGNORED = Pattern(r"NVRM: ignoring the legacy GPU")


def _remedy(branch: int | None, newer: bool = False) -> Remedy:
    if branch is None:
        return Remedy("Install a driver branch that lists this card among the supported products.")
    word = "or newer " if newer else ""
    return Remedy(f"Install the driver branch {branch} {word}in the guest, and keep the package from moving on.")


def check(
    guest: GuestDevices | Missing, target: Target | Missing, driver: GuestDriver | Missing, log: GuestLog | Missing
) -> Outcome | None:
    """Look for the driver's refusal, then compare branch and card."""
    hit = said(_LEGACY, log)
    if hit is not None:
        return failed(f"the driver ignores the card, which branch {hit[0][1]} supports", hit[1],
                      remedy=_remedy(int(hit[0][1])), confidence=Confidence.MEDIUM)  # fmt: skip
    card = nvidia_card(guest, target)
    hit = said(_UNSUPPORTED, log)
    kind = (named_by(hit[0][0]) if hit else "") or (card.architecture if card else "")
    last, first = LAST_NVIDIA_BRANCH.get(kind), FIRST_NVIDIA_BRANCH.get(kind)
    if hit is not None:
        branch = int(hit[0][1])
        if fits(hit[0][0], branch):
            return unknown(f"the driver {branch} supports {kind} cards, and does not take this one for such a card: it "
                           "is a vGPU, or newer than this release of the driver", hit[1],
                           missing=("vm.conf", "guest/lspci.txt"))  # fmt: skip
        wanted, newer = (last, False) if last is not None and branch > last else (first, True)
        return failed(f"the driver {branch} does not support the card" + (f" ({kind})" if kind else ""), hit[1],
                      remedy=_remedy(wanted, newer), confidence=Confidence.MEDIUM)  # fmt: skip
    hit = said(_IGNORED, log)
    if hit is not None:
        return failed("the driver ignores the card as too old", hit[1], remedy=_remedy(last),
                      confidence=Confidence.MEDIUM)  # fmt: skip
    if isinstance(driver, Missing) or not driver.version or card is None or not kind:
        return None
    branch = driver.version[0]
    version = ".".join(map(str, driver.version))
    if driver.works:
        return passed(f"the driver {version} lists the card", *driver.evidence)
    if last is not None and branch > last:
        return failed(f"the driver {version} is newer than {last}, the last branch for {kind} cards", *driver.evidence,
                      *card.lines, remedy=_remedy(last))  # fmt: skip
    if first is not None and branch < first:
        return failed(f"the driver {version} is older than {first}, the first branch for {kind} cards",
                      *driver.evidence, *card.lines, remedy=_remedy(first, newer=True))  # fmt: skip
    return passed(f"the driver {version} supports {kind} cards", *driver.evidence, *card.lines)
