"""The card's ROM cannot be read from the host.

A guest needs the card's ROM for a picture before its driver runs, and some drivers need it at all. The card the host
booted with often hands out only a shadow of its ROM or none; the kernel then says ``Invalid PCI ROM header signature:
expecting 0xaa55, got 0xffff`` and QEMU ``Cannot read device rom``. A card that has dropped off the bus reads as
0xffff everywhere, so look at the reset and power findings first.

The kernel's message alone is no fault: it appears on working machines as well, and compute-only guests do not need
the ROM. With ``romfile=`` the card's own ROM is not used.

A graphics card in a slot that has no ROM at all (no ``rom`` below /sys/bus/pci/devices, no ``Expansion ROM`` in lspci)
gives the guest's firmware and driver nothing to start it with. Graphics inside the processor has none by nature: there
the firmware of the host holds it.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.aimed import ADDRESS, assigned, said_of_target
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target, integrated
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.resets import Sign, failures

TITLE = "The card's ROM cannot be read"
LAYER = Layer.ROM
FOLLOWS = ("FB-01", "FB-02", "FB-03", "RS-01", "RS-02", "RS-03", "RS-05", "FW-09")
SOURCES = (
    "Linux drivers/pci/rom.c, pci_get_rom_size()",
    "QEMU hw/vfio/pci.c, vfio_pci_load_rom()",
    "Linux drivers/gpu/drm/amd/amdgpu/amdgpu_bios.c, amdgpu_get_bios()",
)
_REMEDY = Remedy(
    "Read the ROM while another card is the boot display (or take the dump of exactly this card), put it into "
    "/usr/share/kvm and add romfile=NAME to hostpci. Better still: let the host boot with another card."
)
_QEMU = Pattern(rf"vfio-pci: Cannot read device rom at {ADDRESS}")
_PROBABLY = Pattern(r"Device option ROM contents are probably invalid")
_GUEST = Pattern(r"Unable to locate a BIOS ROM|unable to locate usable image|Invalid PCI ROM header signature")
_DRIVER = Pattern(r"NVRM: |\bnvidia [0-9a-f:.]+: |\bamdgpu [0-9a-f:.]+: ")
_DEAD = (Sign.BUS, Sign.FLR, Sign.D3, Sign.VENDOR)


def check(
    log: KernelLog | Missing, start: StartLog | Missing, guest: GuestLog | Missing, vms: VmConfigs | Missing,
    target: Target | Missing, devices: Devices | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for a ROM that cannot be read, and for somebody who missed it."""
    how = failures(log, target)
    host = [item.line for item in how.of(Sign.ROM)[:2]]
    qemu = [item.line for item in said_of_target(start, _QEMU, target)[:1]]
    if not isinstance(start, Missing) and not qemu and host and (found := start.first(_PROBABLY)):
        qemu = [found[1]]
    entry = assigned(vms, target)
    if not host and not qemu:
        return _without(target, devices, vms)
    if entry is not None and entry[1].options.get("romfile"):
        return passed("the VM uses a ROM from a file, the card's own one is not read", entry[1].line)
    missed = [] if isinstance(guest, Missing) else [line for _, line in list(guest.find(_GUEST))[:1]]
    evidence: list[Line] = [*host, *qemu, *missed]
    if how.first(Sign.ROM, *_DEAD) in _DEAD:
        return noted("the ROM reads as nothing because the card does not answer at all", *evidence)
    if not missed and not isinstance(guest, Missing) and guest.first(_DRIVER) is not None:
        return noted("the card's ROM cannot be read, but the guest's driver reached the card without it", *evidence)
    if qemu or missed:
        return failed(
            "the card's ROM cannot be read, and the guest does not get it",
            *evidence,
            remedy=_REMEDY,
            confidence=Confidence.MEDIUM,
        )
    return noted("the card's ROM cannot be read; that breaks only guests that need it", *evidence, remedy=_REMEDY)


def _without(target: Target | Missing, devices: Devices | Missing, vms: VmConfigs | Missing) -> Outcome | None:
    """Judge a display card of its own of which /sys says that it has no ROM, where no VM is given one."""
    card = None if isinstance(target, Missing) else target.card
    if isinstance(target, Missing) or card is None or card.sysfs is None or card.sysfs.rom != 0:
        return None
    known = Devices({}) if isinstance(devices, Missing) else devices
    separate = card.klass == "0300" and card.bdf.bus != 0 and card.bdf.function == 0 and not integrated(card, known)
    entry = assigned(vms, target)
    given = entry is not None and entry[1].options.get("romfile")
    if not separate or given:
        return None
    return failed("the card has no ROM, and no VM is given one from a file", card.sysfs.line, remedy=_REMEDY,
                  confidence=Confidence.MEDIUM)  # fmt: skip
