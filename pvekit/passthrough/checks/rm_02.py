"""``relax_rmrr`` is on the kernel command line, but this kernel does not know it.

Only kernels with Proxmox VE's patch read ``intel_iommu=on,relax_rmrr``; they answer with ``Intel-IOMMU: assuming all
RMRRs are relaxable``. Others say ``Unknown option - 'relax_rmrr'`` or nothing at all, and the card stays pinned.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.reserved import ReservedRegions
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "relax_rmrr has no effect on this kernel"
LAYER = Layer.RMRR
SOURCES = ("Proxmox VE kernel patch 0009", "Linux drivers/iommu/intel/iommu.c, intel_iommu_setup()")

_ACTIVE = Pattern(r"assuming all RMRRs are relaxable")
_UNKNOWN = Pattern(r"Unknown option - 'relax_rmrr'")
_PINNED = Pattern(
    r"ineligible for IOMMU domain attach due to platform RMRR requirement"
    r"|Firmware has requested this device have a 1:1 IOMMU mapping"
)
_REMEDY = Remedy(
    "Boot a Proxmox VE kernel, or remove relax_rmrr where no group of a passed-through card has a direct region."
)


def check(
    cmdline: Cmdline | Missing, log: KernelLog | Missing, regions: ReservedRegions | Missing, target: Target | Missing
) -> Outcome | None:
    """Compare the option with the kernel's answer to it."""
    if isinstance(cmdline, Missing):
        return None
    asked = [token for token in cmdline.all("intel_iommu") if "relax_rmrr" in (token.value or "").split(",")]
    if not asked:
        return None
    if isinstance(log, Missing):
        return unknown("the kernel log was not looked at for the answer to relax_rmrr", missing=("dmesg.txt",))
    active = log.first(_ACTIVE)
    if active is not None:
        return passed("the kernel takes all RMRRs for relaxable", active[1])
    refused = log.first(_UNKNOWN)
    if refused is None and not log.whole:
        return unknown(
            "the start of the kernel log is missing, where the answer to relax_rmrr is", missing=("dmesg.txt",)
        )
    lines = [asked[0].line] if refused is None else [asked[0].line, refused[1]]
    pinned = log.first(_PINNED)
    groups = set() if isinstance(target, Missing) else {item.group for item in target.functions}
    direct = [] if isinstance(regions, Missing) else [
        region.line for group, held in regions.by_group.items() if group in groups
        for region in held if region.kind == "direct"
    ]  # fmt: skip
    if pinned is None and not direct:
        return noted("relax_rmrr is asked for but not active; nothing shows that it is needed", *lines, remedy=_REMEDY)
    return failed(
        "relax_rmrr is asked for but this kernel does not know it, and the card is pinned",
        *lines, *([pinned[1]] if pinned else direct), remedy=_REMEDY,
        confidence=Confidence.MEDIUM if refused is None else Confidence.HIGH,
    )  # fmt: skip
