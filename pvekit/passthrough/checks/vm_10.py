"""The VM has two displays: the card as the primary one, and an emulated one that was set explicitly.

``x-vga=1`` takes the emulated display away only where ``vga`` is not set. With ``vga: std`` or ``qxl`` beside it the
guest has both and may draw where nobody looks: the login screen is on the emulated display, or the desktop on the
monitor. Passthrough itself works.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, noted, passed
from pvekit.passthrough.vmrules import at, in_question, on, vga

TITLE = "Emulated display beside the card"
LAYER = Layer.VM
SOURCES = ("qemu-server PVE/QemuServer/PCI.pm, print_hostpci_devices()",)
_DRAWS = frozenset({"std", "qxl", "qxl2", "qxl3", "qxl4", "cirrus", "vmware", "virtio", "virtio-gl"})


def check(vms: VmConfigs | Missing, target: Target | Missing) -> Outcome | None:
    """Compare x-vga with the emulated display."""
    for vm in in_question(vms, target):
        marked = [entry for entry in vm.hostpci if on(entry.options.get("x-vga"))]
        if not marked:
            continue
        if vga(vm) in _DRAWS:
            return noted(f"the card is the primary display and vga: {vga(vm)} is there as well",
                         marked[0].line, *at(vm, "vga"),
                         remedy=Remedy("Set vga: none once the monitor at the card shows a picture."))  # fmt: skip
        return passed("the card is the only display", marked[0].line, *at(vm, "vga"))
    return None
