"""A kernel option switches off what passthrough needs.

``intel_iommu=off``, ``amd_iommu=off``, ``iommu=off`` and ``acpi=off`` keep the kernel from using the IOMMU (the
kernel says ``DMAR: IOMMU disabled`` or ``AMD-Vi: AMD IOMMU disabled``); before kernel 5.18 ``iommu=soft`` does too.
``intremap=off``, ``nointremap``, ``noapic`` and ``nolapic`` switch off the remapping of interrupts, without which
VFIO refuses every device. ``intel_iommu=igfx_off`` takes the integrated graphics out of the IOMMU, and only that.
"""

from __future__ import annotations

from collections.abc import Iterable

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.options import maker_of, name_of, switched_off, words_of
from pvekit.passthrough.outcome import Outcome, failed, noted, passed

TITLE = "A kernel option switches off what passthrough needs"
LAYER = Layer.KERNEL_OPTION
SOURCES = (
    "Linux Documentation/admin-guide/kernel-parameters.txt",
    "Linux arch/x86/kernel/pci-dma.c, iommu_setup()",
    "Linux drivers/iommu/intel/iommu.c, intel_iommu_setup()",
    "Linux drivers/iommu/amd/init.c, state_next()",
    "Linux drivers/iommu/irq_remapping.c, setup_irqremap()",
)
_DISABLED = r"DMAR: IOMMU disabled|Intel-IOMMU: disabled|AMD-Vi: AMD IOMMU disabled"
_REFUSED = r"No interrupt remapping support\.  Use the module param \"?allow_unsafe_interrupts"
_REMAPPED = r"DMAR-IR: Enabled IRQ remapping|AMD-Vi: Interrupt remapping enabled"
_IGPU = Bdf.parse("00:02.0")


def _remedy(what: object) -> Remedy:
    return Remedy(f"Remove {what} from the kernel command line and start the host again.")


def check(
    cmdline: Cmdline | Missing, translation: Translation | Missing, log: KernelLog | Missing,
    tables: AcpiTables | Missing, processor: Processor | Missing, kernel: Kernel | Missing,
    target: Target | Missing, groups: IommuGroups | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for such an option, and whether what it switches off is off."""
    said = None if isinstance(log, Missing) else log.first(_DISABLED)
    works = None if isinstance(translation, Missing) else translation.works
    if isinstance(cmdline, Missing):
        if said is None or works:
            return None
        return failed("the kernel says that an option switched the IOMMU off", said[1], remedy=_remedy("that option"),
                      confidence=Confidence.MEDIUM)  # fmt: skip
    off = switched_off(cmdline.tokens, maker_of(processor, tables, log)) or _soft(cmdline.tokens, kernel)
    if off is not None and (said is not None or works is False) and not works:
        lines: tuple[Line, ...] = () if isinstance(translation, Missing) else translation.evidence
        return failed(
            f"{off} keeps the kernel from using the IOMMU", off.line, *(() if said is None else (said[1],)), *lines,
            remedy=_remedy(off),
        )  # fmt: skip
    return _interrupts(cmdline, log) or _integrated(cmdline, target, groups) or _rest(cmdline, off, log)


def _soft(tokens: Iterable[Token], kernel: Kernel | Missing) -> Token | None:
    """Return ``iommu=soft``, which kernels before 5.18 take for "do not use the IOMMU"."""
    if isinstance(kernel, Missing) or kernel.version >= (5, 18):
        return None
    return next((token for token in tokens if name_of(token) == "iommu" and "soft" in words_of(token)), None)


def _remapping_off(cmdline: Cmdline) -> Token | None:
    for token in cmdline.tokens:
        if token.name in ("nointremap", "noapic", "nolapic") or (token.name == "intremap" and "off" in words_of(token)):
            return token
    return None


def _interrupts(cmdline: Cmdline, log: KernelLog | Missing) -> Outcome | None:
    token = _remapping_off(cmdline)
    refused = None if isinstance(log, Missing) else log.first(_REFUSED)
    if token is None or refused is None:
        return None
    return failed(f"{token} switches off interrupt remapping, and VFIO refuses the device for that", token.line,
                  refused[1], remedy=_remedy(token))  # fmt: skip


def _integrated(cmdline: Cmdline, target: Target | Missing, groups: IommuGroups | Missing) -> Outcome | None:
    token = next((item for item in cmdline.all("intel_iommu") if "igfx_off" in words_of(item)), None)
    if token is None or isinstance(target, Missing) or _IGPU not in target.bdfs:
        return None
    if isinstance(groups, Missing) or not groups.whole or not groups.members or groups.of(_IGPU) is not None:
        return None
    return failed("igfx_off takes the integrated graphics out of the IOMMU: it has no group", token.line,
                  remedy=_remedy("igfx_off"))  # fmt: skip


def _rest(cmdline: Cmdline, off: Token | None, log: KernelLog | Missing) -> Outcome:
    """Return what is there without being seen to do harm."""
    token = off or _remapping_off(cmdline)
    if token is None:
        return passed("no option switches off the IOMMU or interrupt remapping", cmdline.line)
    remapped = None if isinstance(log, Missing) else log.first(_REMAPPED)
    lines = (token.line,) if remapped is None or off is not None else (token.line, remapped[1])
    return noted(f"{token} switches off a part of what passthrough needs", *lines, remedy=_remedy(token))
