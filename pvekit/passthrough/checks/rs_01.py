"""The AMD card does not come back from a bus reset.

Polaris, Vega and Navi 1x cards know no function level reset, and after the bus reset that vfio does instead they stay
dead once a guest's driver has used them: the first start works, the second one fails until the host is switched off.
Some Navi 2x cards show the same. The host says ``not ready 65535ms after bus reset; giving up``, the vendor-reset
module ``AMD_...: failed to reset device``, the guest that the PSP or the ATOM BIOS does not answer.

What tells it from a card that sleeps (RS-03): which message came first.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.resets import Sign, failures, has_reset_bug

TITLE = "The AMD card does not come back from a reset (reset bug)"
LAYER = Layer.RESET
FOLLOWS = ("RS-08", "RO-07", "FW-09")
SOURCES = (
    "gnif/vendor-reset README.md and src/device-db.h (the cards), src/vendor-reset-dev.c (the message)",
    "Linux drivers/pci/pci.c, pci_dev_wait()",
    "Linux drivers/gpu/drm/amd/amdgpu/amdgpu_psp.c and atom.c (the guest's messages)",
)
_REMEDY = Remedy(
    "Install the vendor-reset module (DKMS), load it early and set reset_method of the card to device_specific. "
    "Without it the card needs a cold start of the host before each start of the VM.",
    risk="a module from outside of the kernel; Secure Boot refuses it unless it is signed",
)
_GUEST = Pattern(
    r"atombios stuck in loop|PSP (?:create ring|load \w+|firmware loading) failed|\*ERROR\* PSP .*failed"
    r"|hw_init of IP block <psp> failed"
)


def check(
    log: KernelLog | Missing, guest: GuestLog | Missing, target: Target | Missing, devices: Devices | Missing
) -> Outcome | None:
    """Look for a card that is known for it and for its signs."""
    how = failures(log, target)
    vendor = how.of(Sign.VENDOR)
    said = vendor[:1] + how.gave_up(Sign.BUS)[:1]
    card = _card(target, devices, said[0].bdf if said else None)
    if not vendor and (card is None or not has_reset_bug(card)):
        if not said or (card is not None and card.vendor):
            return None
        return unknown(
            f"{said[0].bdf} did not come back from a bus reset; whether such cards are known for it is open",
            said[0].line,
            missing=("lspci.txt",),
        )
    if said:
        sleeping = how.first(Sign.D3, Sign.BUS, Sign.VENDOR, Sign.FLR) is Sign.D3
        return failed(
            f"{said[0].bdf} did not come back from a reset",
            *(item.line for item in said),
            *([card.line] if card else []),
            remedy=_REMEDY,
            confidence=Confidence.LOW if sleeping else Confidence.MEDIUM,
        )
    return None if card is None else _at_rest(card, guest)


def _card(target: Target | Missing, devices: Devices | Missing, named: Bdf | None) -> Device | None:
    """Return the card that a message names, else the target's."""
    if named is not None and not isinstance(devices, Missing):
        found = devices.slot_of(named)
        return next((device for device in found if device.gpu), next(iter(found), None))
    return None if isinstance(target, Missing) else target.card


def _at_rest(card: Device, guest: GuestLog | Missing) -> Outcome:
    """Judge a card of that kind of which the host's log says nothing bad."""
    methods = card.sysfs.reset if card.sysfs else None
    stuck = None if isinstance(guest, Missing) else guest.first(_GUEST)
    if stuck is not None:
        known = methods is not None and "device_specific" not in methods
        return failed(
            f"the guest's driver cannot start {card.bdf}, a card that is known for not coming back from a reset",
            stuck[1],
            card.line,
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM if known else Confidence.LOW,
        )
    if card.sysfs and methods and methods[0] == "device_specific":
        return passed(f"{card.bdf} is reset in the way that suits it", card.sysfs.line)
    return noted(f"{card.bdf} is known for not coming back from a reset: a second start may fail", card.line)
