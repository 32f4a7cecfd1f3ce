"""Interrupts of a passed-through NVIDIA card go through QEMU (``kernel_irqchip=split``) and not through the kernel.

From QEMU 4.0 on q35 machines used the split mode by default, which made NVIDIA cards stutter with sound; 4.1 went
back to ``on``. PVE sets ``split`` only with an Intel IOMMU in the VM or with TDX. It costs speed and breaks nothing
by itself.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, noted, passed
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import at, in_question, q35

TITLE = "Interrupts in split mode"
LAYER = Layer.VM
SOURCES = (
    "QEMU hw/i386/pc_q35.c, pc_q35_4_0_machine_options(): default_kernel_irqchip_split",
    "Arch Linux wiki, PCI passthrough via OVMF",
)
_SPLIT = Pattern(r"kernel[_-]irqchip=split")
_OLD_DEFAULT = Pattern(r"pc-q35-4\.0$")


def check(vms: VmConfigs | Missing, target: Target | Missing) -> Outcome | None:
    """Look at args and the machine type."""
    for vm in in_question(vms, target):
        kind = vm.values.get("machine", "")
        if _SPLIT.search(vm.values.get("args", "")):
            return noted("args asks for split interrupts", *at(vm, "args"),
                         remedy=Remedy("Take kernel_irqchip=split out of args."))  # fmt: skip
        if _OLD_DEFAULT.search(kind.split(",")[0].split("+")[0]):
            return noted("the machine type q35 of QEMU 4.0 splits interrupts", *at(vm, "machine"),
                         remedy=Remedy("Take a newer machine version.", risk="Windows sees new hardware."))  # fmt: skip
        if q35(vm):
            return passed("interrupts are handled in the kernel", *at(vm, "machine"))
    return None
