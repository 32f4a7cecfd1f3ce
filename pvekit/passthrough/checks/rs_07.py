"""nouveau used the card in the guest, and NVIDIA's driver cannot start it any more.

The guest's own kernel brought its nouveau driver, which started the card first. On some cards NVIDIA's driver then
ends with ``RmInitAdapter failed``, also in later starts, until the host is switched off and on. Many other things
lead to ``RmInitAdapter failed``; this check speaks only when the guest's log shows nouveau at work before it, and no
other reason.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "nouveau in the guest leaves the card unusable"
LAYER = Layer.RESET
FOLLOWS = ("NV-01", "NV-02", "NV-04", "NV-08", "NV-11", "NV-12", "BA-01", "BA-02", "BA-06")
SOURCES = (
    "Linux drivers/gpu/drm/nouveau/nvkm/engine/device/base.c (the line that names the chip)",
    "NVIDIA open-gpu-kernel-modules src/nvidia/arch/nvalloc/unix/src/osinit.c (RmInitAdapter)",
)
_REMEDY = Remedy(
    "Blacklist nouveau in the guest's image before its first boot with the card; then switch the host off and on once."
)
_NOUVEAU = Pattern(r"nouveau [0-9a-f:.]+: NVIDIA G\w+|nouveaudrmfb|Initialized nouveau ")
_FAILED = Pattern(r"NVRM: .*RmInitAdapter failed")
_OTHER = Pattern(r"NVRM: .*(?:not supported by open|power cables|legacy|already (?:bound|in use)|is 0M @|fallen off)")


def check(guest: GuestLog | Missing) -> Outcome | None:
    """Look for nouveau before a failed start of NVIDIA's driver."""
    if isinstance(guest, Missing):
        return None
    used = guest.first(_NOUVEAU)
    broken = guest.first(_FAILED)
    if broken is None:
        return None
    if used is None:
        return passed("nouveau did not use the card in this run of the guest", broken[1]) if guest.whole else None
    if guest.first(_OTHER) is not None or used[1].number > broken[1].number:
        return None
    return failed(
        "nouveau used the card in the guest, and NVIDIA's driver cannot start it after that",
        used[1],
        broken[1],
        remedy=_REMEDY,
        confidence=Confidence.MEDIUM,
    )
