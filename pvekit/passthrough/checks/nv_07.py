"""The VM has no display at all: the card has no outputs, and the emulated display is switched off. Nothing is broken.

Cards for mining and computing (P106, P40 and others, class 0302) cannot show a picture. With ``vga: none`` - or
``x-vga=1``, which means the same where ``vga`` is not set - there is nothing to look at, and a VM that works looks
dead. Keep an emulated display or a serial console; programs that compute do not need a display.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfig, VmConfigs
from pvekit.passthrough.headless import headless
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import at, given, in_question, lacks, named, on, vga

TITLE = "No display: the card has no outputs"
LAYER = Layer.GUEST
SOURCES = ("qemu-server PVE/QemuServer/PCI.pm, print_hostpci_devices()", "pve-docs qm-pci-passthrough.adoc")
FOLLOWS = ("VM-02",)
_REMEDY = Remedy("Set vga: std (or vga: serial0 with serial0: socket) and take x-vga=1 out.")


def _dark(vm: VmConfig) -> bool:
    marked = any(on(entry.options.get("x-vga")) for entry in vm.hostpci)
    return vga(vm) == "none" or (marked and lacks(vm, "vga"))


def check(
    vms: VmConfigs | Missing, target: Target | Missing, devices: Devices | Missing, driver: GuestDriver | Missing
) -> Outcome | None:
    """Compare the display with the cards that are passed."""
    for vm in in_question(vms, target):
        cards = [device for entry in vm.hostpci for device in given(entry, devices) if device.gpu]
        if not cards or not all(headless(card) for card in cards):
            continue
        evidence = (cards[0].line, *at(vm, "vga", "serial0"), *(entry.line for entry in vm.hostpci))
        if not _dark(vm):
            return passed("the card has no outputs, and the VM has another display", *evidence)
        if "serial0" in vm.values:
            return noted("the VM has a serial console and no display", *evidence)
        if not isinstance(driver, Missing) and driver.works:
            return noted("the VM has no display, and the card works", *evidence)
        return failed(f"{named(vm)} has no display: {cards[0].bdf} has no outputs and there is no other", *evidence,
                      remedy=_REMEDY)  # fmt: skip
    return None
