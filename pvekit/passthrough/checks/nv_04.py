"""nouveau (or nova) holds the card in the guest, so NVIDIA's driver cannot have it.

NVIDIA's driver says ``The NVIDIA probe routine was not called for 1 device(s)`` and that another driver obtained
ownership. nouveau comes with most distributions and is loaded first; on some cards it also leaves a state behind from
which the card does not start again until the host is switched off.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.guestcard import real_gpus
from pvekit.passthrough.knowledge import NVIDIA
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import said

TITLE = "nouveau holds the card in the guest"
LAYER = Layer.GUEST
SOURCES = ("NVIDIA open-gpu-kernel-modules kernel-open/nvidia/nv.c, nvidia_init_module()",)
_DRIVERS = frozenset({"nouveau", "nova_core", "nova-core", "nova", "NovaCore"})
_SAID = Pattern(r"NVRM: The NVIDIA probe routine was not called for \d+ device")
_NOVA = Pattern(r"NVRM: GPU \S+ is already bound to (?:NovaCore|nova\w*|nouveau)")
_NOUVEAU = Pattern(r"nouveau \S+: NVIDIA |^fb\d: nouveaudrmfb|\[drm\] Initialized nouveau")
_REMEDY = Remedy(
    "In the guest write 'blacklist nouveau' and 'options nouveau modeset=0' to a file in /etc/modprobe.d, make the "
    "initramfs again and restart; best before the card is passed for the first time."
)


def check(guest: GuestDevices | Missing, driver: GuestDriver | Missing, log: GuestLog | Missing) -> Outcome | None:
    """Look who holds the card, and whether NVIDIA's driver minds."""
    refused, loaded = said(_SAID, log), said(_NOUVEAU, log)
    cards = [entry for entry in real_gpus(guest) if entry.vendor in {NVIDIA, ""}]
    held = next((entry for entry in cards if entry.driver in _DRIVERS), None)
    other = next((entry for entry in cards if entry.driver and entry.driver not in _DRIVERS), None)
    wants = refused is not None or (not isinstance(driver, Missing) and driver.works is False)
    also = () if refused is None else (refused[1],)
    if held is not None and wants:
        return failed(f"{held.driver} holds {held.bdf} in the guest", held.line, *also, remedy=_REMEDY)
    if refused is not None and loaded is not None and other is None:
        return failed("another driver took the card before NVIDIA's, and nouveau was loaded", refused[1], loaded[1],
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    nova = said(_NOVA, log)
    if nova is not None and other is None:
        return failed("NVIDIA's driver finds the card bound to another driver", nova[1], remedy=_REMEDY,
                      confidence=Confidence.MEDIUM)  # fmt: skip
    if refused is not None and held is None and other is None:
        return failed("another driver took the card before NVIDIA's; in a guest that is nouveau, as a rule", refused[1],
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    if held is not None:
        return noted(f"{held.driver} drives the card in the guest; CUDA needs NVIDIA's driver", held.line,
                     remedy=_REMEDY)  # fmt: skip
    return None if other is None else passed(f"{other.driver} drives the card in the guest", other.line)
