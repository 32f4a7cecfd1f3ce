"""``rombar=0`` hides the ROM from the guest, and its driver needs it.

amdgpu, radeon and nouveau read the video BIOS of the card. With ``rombar=0`` and no ``romfile`` the guest's device
has no ROM, and without another copy the driver ends with ``Unable to locate a BIOS ROM`` (amdgpu, radeon) or ``unable
to locate usable image`` (nouveau).
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import assigned
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "rombar=0 hides the ROM that the guest's driver needs"
LAYER = Layer.ROM
SOURCES = (
    "Linux drivers/gpu/drm/amd/amdgpu/amdgpu_bios.c, amdgpu_get_bios()",
    "Linux drivers/gpu/drm/nouveau/nvkm/subdev/bios/shadow.c, nvbios_shadow()",
    "QEMU hw/vfio/pci.c, vfio_pci_size_rom()",
)
_REMEDY = Remedy("Remove rombar=0 from hostpci, or add romfile= with the ROM of this card.")
_NO_ROM = Pattern(r"Unable to locate a BIOS ROM|bios: unable to locate usable image")


def check(vms: VmConfigs | Missing, guest: GuestLog | Missing, target: Target | Missing) -> Outcome | None:
    """Look for a hidden ROM that somebody missed."""
    found = assigned(vms, target)
    missed = None if isinstance(guest, Missing) else guest.first(_NO_ROM)
    if found is None or missed is None:
        return None
    entry = found[1]
    if entry.options.get("rombar") in ("0", "off") and not entry.options.get("romfile"):
        return failed(
            "the guest's driver finds no ROM, and the VM hides it",
            entry.line,
            missed[1],
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    return passed("the VM does not hide the card's ROM", entry.line)
