"""``x-vga=1`` is set where there is no VGA: for a card without a display, or with vfio-pci's VGA switched off.

``x-vga=1`` makes a card the primary display: PVE then takes away the emulated screen, unless ``vga`` is set. A card
of class 0302 (a "3D controller", such as mining and data centre cards) has no output and no VGA part. With SeaBIOS
QEMU refuses the start (``device does not support requested feature x-vga``); with OVMF the VM starts and shows
nothing anywhere, which looks like a failed passthrough. On OVMF the option does nothing for the card itself.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.headless import headless
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.vmrules import at, given, in_question, named, on, ovmf, said, vga

TITLE = "x-vga=1 where there is no VGA"
LAYER = Layer.VM
SOURCES = (
    "qemu-server PVE/QemuServer/PCI.pm, print_hostpci_devices()",
    "QEMU hw/vfio/pci.c, vfio_populate_vga()",
    "Linux drivers/vfio/pci/vfio_pci_core.c, vfio_pci_core_enable(): disable_vga",
)
_NO_VGA = Remedy("Take disable_vga=1 out of the options of vfio-pci, or start the VM with OVMF, which needs no VGA.")
_REMEDY = Remedy(
    "Take x-vga=1 out of the hostpci line and keep an emulated display (vga: std) or a serial console (vga: serial0)."
)


def check(
    vms: VmConfigs | Missing, target: Target | Missing, devices: Devices | Missing, start: StartLog | Missing,
    modprobe: Modprobe | Missing,
) -> Outcome | None:  # fmt: skip
    """Compare x-vga with the class of the card."""
    refused = said(r"(?i)device does not support requested feature x-vga", start)
    if refused is not None:
        setting = None if isinstance(modprobe, Missing) else modprobe.options("vfio_pci").get("disable_vga")
        if setting is not None and on(setting[0] or "1"):
            return failed("QEMU refused x-vga=1: vfio-pci's VGA is switched off (disable_vga)", refused[1], setting[1],
                          remedy=_NO_VGA, confidence=Confidence.MEDIUM)  # fmt: skip
        return failed("QEMU refused x-vga=1: vfio-pci offers no VGA for the card", refused[1], remedy=_REMEDY,
                      confidence=Confidence.MEDIUM)  # fmt: skip
    for vm in in_question(vms, target):
        marked = [entry for entry in vm.hostpci if on(entry.options.get("x-vga"))]
        if not marked:
            continue
        for entry in marked:
            cards = [device for device in given(entry, devices) if device.gpu]
            if not cards:
                return unknown("x-vga=1 is set; what kind of card it is for is not known", entry.line,
                               missing=("lspci.txt",))  # fmt: skip
            if not headless(cards[0]):
                continue
            evidence = (entry.line, cards[0].line, *at(vm, "vga"))
            if ovmf(vm) and vga(vm) not in {"", "none"}:
                return noted("x-vga=1 does nothing for a card without a display", *evidence, remedy=_REMEDY)
            return failed(
                f"{named(vm)} makes {cards[0].bdf} its primary display, and that card has no output",
                *evidence, remedy=_REMEDY,
            )  # fmt: skip
        if len(marked) > 1:
            return noted("x-vga=1 is set for more than one card; only one can be the primary display",
                         *(entry.line for entry in marked))  # fmt: skip
        return passed("x-vga=1 is set for a card with a display", marked[0].line)
    return None
