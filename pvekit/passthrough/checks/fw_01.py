"""The firmware has VT-d (Intel) or AMD-Vi (AMD) switched off, so it describes no IOMMU to the kernel.

What proves it: no ``DMAR`` (Intel) or ``IVRS`` (AMD) table among the firmware's ACPI tables: they are listed in
``/sys/firmware/acpi/tables``, and at the start of the kernel log (``ACPI: DMAR 0x...``). The kernel then prints no
``DMAR: DRHD base:`` line, ``/sys/class/iommu`` is empty, and Proxmox VE refuses to start the VM with ``cannot
prepare PCI pass-through, IOMMU not present``. That message alone does not tell a missing table from a missing or
disabling kernel option (KC-01, KC-06).

What proves nothing: ``DMAR: IOMMU enabled`` in the kernel log. It only repeats that ``intel_iommu=on`` was read,
and is printed on machines without any IOMMU as well. The same goes for ``iommu: Default domain type: ...``.
"""

from __future__ import annotations

from pvekit.model.bundle import Line
from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.knowledge import iommu_on_by_default, lacks_directed_io
from pvekit.passthrough.options import intel_iommu, maker_of, switched_off
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown

TITLE = "VT-d or AMD-Vi is switched off in the firmware"
LAYER = Layer.FIRMWARE
SOURCES = (
    "Linux drivers/iommu/intel/iommu.c, intel_iommu_setup()",
    "Linux drivers/iommu/intel/dmar.c, dmar_table_detect(), parse_dmar_table()",
    "Linux drivers/iommu/amd/init.c, amd_iommu_detect()",
    "qemu-server src/PVE/QemuServer/PCI.pm, prepare_pci_device()",
)
FOLLOWS = ("FW-03",)
_REMEDY = Remedy(
    'Switch on VT-d (Intel: "Virtualization Technology for Directed I/O") or AMD-Vi ("IOMMU") in the firmware '
    "setup, then switch the machine off and on again. In a virtual machine, give it a virtual IOMMU."
)
_MISSING = ("acpi_tables.txt", "cmdline.txt", "dmesg.txt")
_REQUESTED = r"DMAR: IOMMU enabled|Intel-IOMMU: enabled"


def check(
    tables: AcpiTables | Missing, translation: Translation | Missing, processor: Processor | Missing,
    cmdline: Cmdline | Missing, kernel: Kernel | Missing, log: KernelLog | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for the table that describes an IOMMU."""
    if not isinstance(translation, Missing) and translation.works:
        return passed(translation.why, *translation.evidence)
    if not isinstance(tables, Missing) and tables.iommu:
        return passed(f"the firmware has a {tables.iommu} table", *tables.evidence)
    if not isinstance(processor, Missing) and lacks_directed_io(processor.model):
        return None
    maker = maker_of(processor, tables, log) or _meant(cmdline)
    off = None if isinstance(cmdline, Missing) else switched_off(cmdline.tokens, maker)
    if not isinstance(tables, Missing):
        return _without_table(tables, translation, off)
    said = None if isinstance(log, Missing) else log.first(_REQUESTED)
    if isinstance(translation, Missing) or translation.works is None:
        if said is None:
            return None
        message = '"IOMMU enabled" only repeats the option; whether there is an IOMMU was not looked at'
        return unknown(message, said[1], missing=("sys_class_iommu.txt", "acpi_tables.txt"))
    if off is not None:
        return None
    if _would_be_used(maker, cmdline, kernel, said is not None):
        return failed(
            "the kernel would use an IOMMU and has none: the firmware does not describe one", *translation.evidence,
            *(() if said is None else (said[1],)), remedy=_REMEDY,
            confidence=Confidence.MEDIUM if translation.sure else Confidence.LOW,
        )  # fmt: skip
    return unknown("there is no IOMMU; the firmware's ACPI tables tell why", *translation.evidence, missing=_MISSING)


def _without_table(tables: AcpiTables, translation: Translation | Missing, off: Token | None) -> Outcome:
    """Judge a host whose list of tables has none for an IOMMU."""
    if off is not None and off.name == "acpi":
        return unknown("without ACPI the kernel does not look at the firmware's tables", off.line)
    if isinstance(translation, Missing):
        lines: tuple[Line, ...] = ()
    elif translation.works is None:
        return unknown("the firmware describes no IOMMU, yet something translated", *translation.evidence)
    else:
        lines = translation.evidence
    message = "the firmware describes no IOMMU: it has neither a DMAR nor an IVRS table"
    return failed(message, *tables.evidence, *lines, remedy=_REMEDY)


def _meant(cmdline: Cmdline | Missing) -> str:
    """Return ``amd`` where somebody who set up passthrough set AMD's option and not Intel's; "" otherwise."""
    if isinstance(cmdline, Missing) or cmdline.all("intel_iommu"):
        return ""
    return "amd" if cmdline.all("amd_iommu") else ""


def _would_be_used(maker: str, cmdline: Cmdline | Missing, kernel: Kernel | Missing, said: bool) -> bool:
    """Tell whether this kernel, with its options, uses every IOMMU that the firmware describes."""
    if said or maker == "amd":
        return True
    if isinstance(cmdline, Missing):
        return False
    default = None if isinstance(kernel, Missing) else iommu_on_by_default(kernel)
    return intel_iommu(cmdline.tokens)[0] == "on" or bool(default)
