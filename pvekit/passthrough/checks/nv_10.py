"""The guest sees the card and has no driver for it.

Nothing is wrong with passthrough: the card is in the guest's ``lspci``, without ``Kernel driver in use`` and without
a module that would fit. Cloud kernels leave the GPU modules out (``linux-image-cloud``, ``linux-modules-extra`` not
installed), and NVIDIA's driver is in no kernel.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.guestdevices import GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.guestcard import real_gpus
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.vmrules import said

TITLE = "No GPU driver in the guest"
LAYER = Layer.GUEST
SOURCES = ("lspci(8), -k: Kernel driver in use and Kernel modules",)
_TRACE = r"NVRM: |^nvidia|nouveau |amdgpu |radeon |\[drm\] .*(?:nouveau|amdgpu|radeon)|^i915 |^xe "
_REMEDY = Remedy(
    "Install the driver in the guest: NVIDIA's package of a branch that supports the card, for AMD and Intel the "
    "distribution's full kernel and firmware (linux-modules-extra, firmware-amd-graphics)."
)


def check(guest: GuestDevices | Missing, driver: GuestDriver | Missing, log: GuestLog | Missing) -> Outcome | None:
    """Look for a card that nobody drives."""
    cards = real_gpus(guest)
    bare = next((entry for entry in cards if entry.driver == ""), None)
    if bare is None:
        driven = next((entry for entry in cards if entry.driver), None)
        return None if driven is None else passed(f"{driven.driver} drives the card in the guest", driven.line)
    trace = said(_TRACE, log)
    installed = not isinstance(driver, Missing) and bool(driver.version or driver.licence)
    if not bare.modules and trace is None and not installed:
        return failed(f"the guest sees the card at {bare.bdf} and has no driver for it", bare.line, remedy=_REMEDY)
    if isinstance(log, Missing):
        return unknown(f"a driver is installed and does not drive the card at {bare.bdf}", bare.line,
                       missing=("guest/dmesg.txt",))  # fmt: skip
    return unknown(f"a driver was loaded and does not drive the card at {bare.bdf}", bare.line,
                   *((trace[1],) if trace else ()))  # fmt: skip
