"""A driver of the host holds the card, so QEMU cannot take it.

QEMU needs the card on vfio-pci. Then ``/dev/vfio/N`` exists; else it says ``failed to open /dev/vfio/N: No such file
or directory`` or ``error getting device from group N``. Proxmox VE and libvirt (managed) change the driver by
themselves at VM start: there a native driver on a card that no VM uses is normal, and only breaks when that driver
will not let go (``Cannot bind ... to vfio``). If the card was given to vfio-pci by configuration and a native driver
holds it all the same, the configuration has no effect; DB-02, DB-03, DB-04 and DB-08 say why.

Where neither of the two is in sight, and a full look at the host finds nothing that would give the card or its audio
function to vfio-pci, passthrough has not been set up.
"""

from __future__ import annotations

import re

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import bindable, held, wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.looked import Looked
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.members import names, on_vfio, proxmox
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "A driver of the host holds the card"
LAYER = Layer.BINDING
SOURCES = (
    "QEMU hw/vfio/container.c, vfio_group_get() and vfio_device_get()",
    "Proxmox VE pve-common src/PVE/SysFSTools.pm, pci_dev_bind_to_vfio()",
    "libvirt src/hypervisor/virhostdev.c, virHostdevPreparePCIDevicesImpl()",
    "Linux Documentation/driver-api/vfio.rst",
)
FOLLOWS = ("KC-05", "DB-02", "DB-03", "DB-04", "DB-05", "DB-08", "DB-09", "DB-10", "GR-01", "GR-06")
_REFUSED = Pattern(
    r"failed to open /dev/vfio/\d+: No such file or directory|error getting device from group \d+: No such device"
    r"|Unmanaged PCI device [0-9a-f:.]+ must be manually detached"
    r"|Cannot bind [0-9a-f:.]+ to vfio|can't unbind/bind PCI group to VFIO"
)
_CLAIM = r"\b(nouveau|nvidia|nvidiafb|amdgpu|radeon|i915|xe|NovaCore|vfio-pci) {bdf}: "
_REMEDY = Remedy(
    "Give the card to vfio-pci before its driver loads: driver_override=vfio-pci for its address, or its "
    "ids with a softdep, "
    "in the initramfs. Blacklist the driver only if no other card needs it.",
    "The host loses the display that hangs on this card.",
)


def check(
    target: Target | Missing, start: StartLog | Missing, log: KernelLog | Missing, modprobe: Modprobe | Missing,
    cmdline: Cmdline | Missing, kernel: Kernel | Missing, vms: VmConfigs | Missing, looked: Looked | Missing,
) -> Outcome | None:  # fmt: skip
    """Judge the card's driver by what was configured and what was refused."""
    hits = [] if isinstance(start, Missing) else [line for _, line in start.find(_REFUSED)]
    said = [line for line in hits if isinstance(target, Missing) or names(line, target)][:2]
    card = None if isinstance(target, Missing) else target.card
    if card is None or card.driver is None:
        return _unseen(card, said, log)
    if on_vfio(card):
        return passed("the card is on vfio-pci", card.driver_line)
    wanted = wanted_by(card, wanted_ids(modprobe, cmdline))
    pve = proxmox(kernel, vms, start)
    native = [device for device in bindable(target) if held(device)]
    if native and not said and wanted is None and not pve and not isinstance(looked, Missing) and looked.nothing:
        texts = ", ".join(f"{device.bdf} is on {device.driver}" for device in native)
        return failed(
            f"passthrough is not set up: {texts}, and nothing gives the card to vfio-pci",
            *(device.driver_line for device in native), remedy=_REMEDY,
        )  # fmt: skip
    if held(card):
        return _holding(card, said, wanted, pve=pve)
    if wanted is not None or said or pve:
        return None
    return noted("no driver holds the card, and nothing gives it to vfio-pci yet", card.driver_line)


def _unseen(card: Device | None, said: list[Line], log: KernelLog | Missing) -> Outcome | None:
    """Judge a refusal where no list tells the card's driver."""
    if not said:
        return None
    claim = None if card is None else _last_claim(log, str(card.bdf))
    if claim is not None and claim[0] != "vfio-pci":
        return failed(
            f"{claim[0]} held the card, and the VM could not take it", *said, claim[1],
            remedy=_REMEDY, confidence=Confidence.MEDIUM,
        )  # fmt: skip
    return unknown("the VM could not take the card; which driver holds it is not known", *said, missing=("lspci.txt",))


def _holding(card: Device, said: list[Line], wanted: Line | None, *, pve: bool) -> Outcome:
    """Judge a native driver on the card."""
    text = f"{card.bdf} is held by {card.driver}"
    if said:
        return failed(f"{text}, and the VM could not take it", card.driver_line, *said, remedy=_REMEDY)
    if wanted is not None:
        message = f"{text}, although it was given to vfio-pci"
        return failed(message, card.driver_line, wanted, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    if pve:
        return noted(f"{text}; Proxmox VE changes that when the VM starts", card.driver_line)
    message = f"{text}, and nothing gives it to vfio-pci"
    return failed(message, card.driver_line, remedy=_REMEDY, confidence=Confidence.LOW)


def _last_claim(log: KernelLog | Missing, bdf: str) -> tuple[str, Line] | None:
    if isinstance(log, Missing):
        return None
    claims = [(match[1], line) for match, line in log.find(_CLAIM.format(bdf=re.escape(bdf)))]
    return claims[-1] if claims else None
