"""The kernel does not use Intel's IOMMU because nobody asked for it.

Proxmox VE kernels before 6.8 need ``intel_iommu=on`` on the command line; from 6.8 on it is the default, as it is
in Debian's kernels, and AMD's IOMMU is always used. Here the firmware describes the IOMMU (there is a ``DMAR``
table), the option is missing, and nothing is translated: ``/sys/class/iommu`` is empty, there are no IOMMU groups,
the kernel log has no ``DMAR: Intel(R) Virtualization Technology for Directed I/O`` and no ``Adding to iommu
group``.

What proves nothing, because it is printed with the option and without: ``DMAR: DRHD base:``, ``DMAR-IR: Enabled IRQ
remapping in x2apic mode``, ``iommu: Default domain type: Translated``.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.knowledge import IOMMU_DEFAULT_ON_PVE, iommu_on_by_default
from pvekit.passthrough.options import intel_iommu, maker_of, malformed, switched_off
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown

TITLE = "intel_iommu=on is missing"
LAYER = Layer.KERNEL_OPTION
FOLLOWS = ("KC-02", "KC-03", "FW-14")
SOURCES = (
    "pve-docs qm-pci-passthrough.adoc (enabled by default from 6.8 on)",
    "Linux drivers/iommu/intel/iommu.c, intel_iommu_setup(), intel_iommu_init()",
)
_REMEDY = Remedy(
    "Add intel_iommu=on to the kernel command line, in the file that this host starts with: GRUB_CMDLINE_LINUX_DEFAULT "
    "in /etc/default/grub and update-grub, or /etc/kernel/cmdline and proxmox-boot-tool refresh. Then start the host "
    "again. A kernel from 6.8 on does not need it."
)
_SAID = r"DMAR: IOMMU (?:enabled|disabled)|Intel-IOMMU: (?:enabled|disabled)"


def check(
    tables: AcpiTables | Missing, translation: Translation | Missing, processor: Processor | Missing,
    cmdline: Cmdline | Missing, kernel: Kernel | Missing, log: KernelLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for a table without translation and without the option."""
    if maker_of(processor, tables, log) != "intel" or isinstance(translation, Missing):
        return None
    if translation.works:
        return passed(translation.why, *translation.evidence)
    if translation.works is None or (not isinstance(tables, Missing) and not tables.iommu):
        return None
    said = None if isinstance(log, Missing) else log.first(_SAID)
    if said is not None or (not isinstance(cmdline, Missing) and _given(cmdline)):
        return None
    default = None if isinstance(kernel, Missing) else iommu_on_by_default(kernel)
    if default:
        return None
    line = () if isinstance(cmdline, Missing) else (cmdline.line,)
    old = () if isinstance(kernel, Missing) or kernel.version[:2] >= IOMMU_DEFAULT_ON_PVE else (kernel.line,)
    if isinstance(tables, Missing):
        return _without_tables(translation, line, old)
    if not line and not old:
        return unknown(
            "the firmware describes an IOMMU and the kernel does not use it; its options are not known",
            *translation.evidence, missing=("cmdline.txt", "uname.txt"),
        )  # fmt: skip
    sure = translation.sure and bool(line)
    return failed(
        "the firmware describes an IOMMU, but the kernel was not told to use it: intel_iommu=on is missing",
        *line, *old, *tables.evidence, *translation.evidence, remedy=_REMEDY,
        confidence=Confidence.HIGH if sure else Confidence.MEDIUM,
    )  # fmt: skip


def _without_tables(translation: Translation, line: tuple[Line, ...], old: tuple[Line, ...]) -> Outcome:
    """Judge where nobody looked at the firmware's tables: a kernel that needs the option cannot work without it."""
    missing = ("acpi_tables.txt", "dmesg.txt")
    if not line or not old:
        message = "the option is missing, or the firmware describes no IOMMU"
        return unknown(message, *translation.evidence, missing=missing)
    return failed(
        "this kernel needs intel_iommu=on, which is missing; see also that VT-d is on in the firmware",
        *line, *old, *translation.evidence, remedy=_REMEDY, confidence=Confidence.MEDIUM,
    )  # fmt: skip


def _given(cmdline: Cmdline) -> bool:
    """Return whether the command line says anything about it: on, off, or something that was meant so."""
    tokens = cmdline.tokens
    return bool(intel_iommu(tokens)[0] or switched_off(tokens, "intel") or malformed(tokens))
