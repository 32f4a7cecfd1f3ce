"""A kernel option is misspelt, or does nothing on this kernel.

The kernel ignores what it does not know. Typical leftovers of guides: ``video=vesafb:off,efifb:off`` (one
``video=`` takes one driver), ``intel_iommu=pt`` (it is ``iommu=pt``), ``amd_iommu=on`` (there is no such value;
AMD's IOMMU is on without it), ``vfio-pci-ids=`` (it is ``vfio-pci.ids=``), curly quotes from a web page,
``pcie_acs_override`` on a kernel without that patch. They are told as a note. It is a fault when the misspelt
option was to switch on an IOMMU that is off now, or to give vfio-pci a card that it does not have.
"""

from __future__ import annotations

import re

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.acpi import AcpiTables
from pvekit.passthrough.facts.cmdline import Cmdline, Token
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.lostids import NO_IDS, LostIds
from pvekit.passthrough.facts.processor import Processor
from pvekit.passthrough.facts.translation import Translation
from pvekit.passthrough.knowledge import iommu_on_by_default
from pvekit.passthrough.options import maker_of, malformed, name_of
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "A kernel option is misspelt or does nothing"
LAYER = Layer.KERNEL_OPTION
FOLLOWS = ("KC-02", "KC-03", "FW-14")
SOURCES = (
    "Linux Documentation/admin-guide/kernel-parameters.txt",
    "Linux drivers/iommu/intel/iommu.c, intel_iommu_setup()",
    "Linux drivers/iommu/amd/init.c, parse_amd_iommu_options()",
    "Linux drivers/video/fbdev/core/fb_cmdline.c and drivers/video/cmdline.c",
    "proxmox-kernel patches/kernel/0004 (pcie_acs_override is in Proxmox VE's kernels only)",
)
_REMEDY = Remedy("Correct the option: intel_iommu=on iommu=pt, as two words.")
_IDS = Remedy("Write vfio-pci.ids= with a dot, update the boot loader's files and start the host again.")
_TIDY = Remedy("Correct or remove the option.")
_DEBIAN = Pattern(r"\+deb\d+|-amd64$")
_QUOTES = Pattern("[\u201c\u201d\u2018\u2019\u201e]|:eek:")


def check(
    cmdline: Cmdline | Missing, translation: Translation | Missing, tables: AcpiTables | Missing,
    processor: Processor | Missing, kernel: Kernel | Missing, log: KernelLog | Missing, lost: LostIds | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for options that the kernel does not take for what they were meant to be."""
    ids = _without_ids(lost)
    if ids is not None:
        return ids
    if isinstance(cmdline, Missing):
        return None
    bad = malformed(cmdline.tokens)
    maker = maker_of(processor, tables, log)
    off = not isinstance(translation, Missing) and translation.works is False
    default = None if isinstance(kernel, Missing) else iommu_on_by_default(kernel)
    table = not isinstance(tables, Missing) and bool(tables.iommu)
    if bad is not None and off and maker == "intel" and table and not default and not isinstance(translation, Missing):
        return failed(
            f"the kernel does not take {bad} for intel_iommu=on, and the IOMMU is off", bad.line, *translation.evidence,
            remedy=_REMEDY,
        )  # fmt: skip
    found = [(token, why) for token in cmdline.tokens if (why := _why(token, kernel))]
    if bad is not None and bad not in [token for token, _ in found]:
        found.append((bad, "not what switches on the IOMMU"))
    if found:
        text = "; ".join(f"{token}: {why}" for token, why in found)
        return noted(f"options without effect: {text}", *dict.fromkeys(token.line for token, _ in found), remedy=_TIDY)
    return passed("no misspelt option that matters here is known", cmdline.line)


def _without_ids(lost: LostIds | Missing) -> Outcome | None:
    if isinstance(lost, Missing) or not lost.proof:
        return None
    name = name_of(lost.token).replace("_", "-")
    return failed(
        f"vfio-pci does not get its ids: {name}= is no option, vfio-pci.ids= is", lost.token.line, *lost.proof,
        remedy=_IDS, confidence=Confidence.MEDIUM,
    )  # fmt: skip


def _why(token: Token, kernel: Kernel | Missing) -> str:
    """Return what is wrong with an option; "" when nothing is known to be."""
    name, value = name_of(token), token.value or ""
    if _QUOTES.search(str(token)):
        return "a character that a web page put there"
    if name == "amd_iommu" and "on" in value.split(","):
        return 'AMD\'s IOMMU knows no "on" and needs none'
    if name == "intel_iommu" and "pt" in value.split(","):
        return "that is iommu=pt"
    if name == "iommu" and "on" in value.split(","):
        return 'iommu= knows no "on"'
    if name == "video" and re.search(r":off,\w+:off", value):
        return "one video= takes one driver"
    if name in NO_IDS:
        return "that is vfio-pci.ids="
    if name == "pcie_acs_override" and not isinstance(kernel, Missing) and _DEBIAN.search(kernel.release):
        return "this kernel does not have that patch"
    return ""
