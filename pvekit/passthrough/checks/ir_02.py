"""The firmware or the chipset keeps the kernel from remapping interrupts.

Some early Intel chipsets have an erratum that makes interrupt remapping unstable: the kernel switches it off and says
so at length. Firmware tables that forget an I/O APIC have the same effect on Intel and on AMD. The x2APIC opt-out bit
is less: interrupts are remapped all the same, only in xapic mode, so that line alone is no fault.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import unsafe_interrupts
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.parameters import Parameters
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The firmware or chipset prevents interrupt remapping"
LAYER = Layer.REMAPPING
SOURCES = (
    "Linux drivers/iommu/intel/irq_remapping.c, intel_prepare_irq_remapping() and parse_ioapics_under_ir()",
    "Linux drivers/iommu/amd/init.c, check_ioapic_information()",
)

_BROKEN = Pattern(
    r"BIOS has enabled interrupt remapping|ioapic \d+ has no mapping iommu, interrupt remapping will be disabled"
    r"|AMD-Vi: Disabling interrupt remapping|DMAR-IR: Not enabling interrupt remapping"
)
_WHY = Pattern(r"IOAPIC\[\d+\] not in IVRS table|No southbridge IOAPIC found|chipset that contains an erratum")
_OPT_OUT = Pattern(r"x2apic is disabled because BIOS sets x2apic opt out bit|BIOS has opted out of x2apic")
_ENABLED = Pattern(r"Enabled IRQ remapping in x2?apic mode|AMD-Vi: Interrupt remapping enabled")
_REMEDY = Remedy(
    "Update the firmware. If there is no newer one, allow_unsafe_interrupts=1 of vfio_iommu_type1 is the "
    "only way left.",
    "With allow_unsafe_interrupts a guest can raise interrupts of the host.",
)


def check(
    log: KernelLog | Missing, parameters: Parameters | Missing, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing
) -> Outcome | None:
    """Look for the kernel's own statement that it gave up remapping."""
    if isinstance(log, Missing):
        return None
    broken = log.first(_BROKEN)
    enabled = log.first(_ENABLED)
    if broken is not None and enabled is None:
        unsafe = unsafe_interrupts(parameters, modprobe, cmdline)
        if unsafe is not None:
            return noted("interrupts cannot be remapped, and VFIO is told to go on all the same", broken[1], unsafe[0])
        why = [line for _, line in log.find(_WHY)][:3]
        return failed(
            "the kernel gave up interrupt remapping because of the firmware or the chipset", broken[1], *why,
            remedy=_REMEDY, confidence=Confidence.MEDIUM,
        )  # fmt: skip
    opted = log.first(_OPT_OUT)
    if opted is not None:
        lines = [opted[1]] if enabled is None else [opted[1], enabled[1]]
        return noted("the firmware opts out of x2APIC; interrupts can be remapped in xapic mode all the same", *lines)
    if enabled is not None:
        return passed("neither firmware nor chipset prevents interrupt remapping", enabled[1])
    return None
