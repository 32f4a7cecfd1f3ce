"""The kernel does not remap interrupts, so VFIO refuses to give devices to a VM.

Without interrupt remapping a device that belongs to a VM can raise any interrupt of the host. Everything looks
healthy until the VM starts: the IOMMU translates, the groups are there, the card is on vfio-pci. Then QEMU ends with
``Failed to set iommu for container: Operation not permitted`` and the kernel log says why. The same QEMU text comes
with RMRR (see RM-01); only the kernel log tells the two apart.

What proves that it works: ``DMAR-IR: Enabled IRQ remapping in x2apic mode`` (or xapic) on Intel, ``AMD-Vi: Interrupt
remapping enabled`` on AMD. These lines say nothing about DMA translation. ``allow_unsafe_interrupts=1`` makes VFIO go
on all the same; it is the last resort, and it is useless where remapping works.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import unsafe_interrupts
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.iommu import IommuClass
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.parameters import Parameters
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "Interrupt remapping is off"
LAYER = Layer.REMAPPING
SOURCES = (
    "Linux drivers/vfio/vfio_iommu_type1.c, vfio_iommu_type1_attach_group()",
    "Linux drivers/iommu/intel/irq_remapping.c, intel_enable_irq_remapping()",
    "Linux drivers/iommu/amd/init.c, print_iommu_info()",
    "QEMU hw/vfio/container.c",
)
FOLLOWS = ("IR-02", "KC-06")

_ENABLED = Pattern(r"Enabled IRQ remapping in x2?apic mode|AMD-Vi: Interrupt remapping enabled")
_REFUSED = Pattern(r"No interrupt remapping support\. +Use the module param \"?allow_unsafe_interrupts")
_QEMU = Pattern(r"(?i)failed to set iommu for container: Operation not permitted")
_RMRR = Pattern(r"due to platform RMRR requirement|requested this device have a 1:1 IOMMU mapping")
_TRANSLATES = Pattern(r"Adding to iommu group \d|AMD-Vi: Found IOMMU|DMAR: Intel\(R\) Virtualization Technology")
_X86 = Pattern(r"\bDMAR: |AMD-Vi: ")
_REMEDY = Remedy(
    "Switch on VT-d with interrupt remapping (and x2APIC) in the firmware setup, remove intremap=off and nointremap "
    "from the kernel command line, and update the firmware. Only if the platform cannot do it: "
    "options vfio_iommu_type1 allow_unsafe_interrupts=1.",
    "With allow_unsafe_interrupts a guest can raise interrupts of the host.",
)


def check(
    log: KernelLog | Missing, start: StartLog | Missing, iommu: IommuClass | Missing, parameters: Parameters | Missing,
    modprobe: Modprobe | Missing, cmdline: Cmdline | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for the line that VFIO prints when it refuses, else for the one that says remapping works."""
    unsafe = unsafe_interrupts(parameters, modprobe, cmdline)
    refused = None if isinstance(log, Missing) else log.first(_REFUSED)
    enabled = None if isinstance(log, Missing) else log.first(_ENABLED)
    asked = None if isinstance(start, Missing) else start.first(_QEMU)
    if refused is not None:
        if unsafe is not None and unsafe[1]:
            return noted("VFIO refused for want of interrupt remapping; unsafe interrupts are allowed now", refused[1])
        sure = enabled is None and not isinstance(log, Missing) and log.whole
        return failed(
            "VFIO refused the device because interrupts are not remapped",
            *[hit[1] for hit in (refused, asked) if hit is not None],
            remedy=_REMEDY, confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
        )  # fmt: skip
    if enabled is not None:
        if unsafe is not None:
            return passed("interrupts are remapped; allow_unsafe_interrupts is not needed", enabled[1], unsafe[0])
        return passed("interrupts are remapped", enabled[1])
    if not isinstance(log, Missing) and log.whole and log.first(_X86) is not None and _active(iommu, log):
        if unsafe is not None:
            return noted("interrupts are not remapped, and VFIO is told to go on all the same", unsafe[0])
        proof = log.first(_TRANSLATES)
        lines = [] if proof is None else [proof[1]]
        return failed(
            "the IOMMU translates, but the whole kernel log has no line that interrupts are remapped: VFIO will refuse",
            *lines, *[hit[1] for hit in (asked,) if hit is not None],
            remedy=_REMEDY, confidence=Confidence.MEDIUM,
        )  # fmt: skip
    if asked is not None and (isinstance(log, Missing) or log.first(_RMRR) is None):
        return unknown(
            "the VM was refused with \"Operation not permitted\": interrupt remapping or RMRR; the "
            "kernel log tells which",
            asked[1], missing=("dmesg.txt",),
        )  # fmt: skip
    return None


def _active(iommu: IommuClass | Missing, log: KernelLog) -> bool:
    if not isinstance(iommu, Missing):
        return bool(iommu.names)
    return log.first(_TRANSLATES) is not None
