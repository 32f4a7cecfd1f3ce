"""The firmware claims memory that the card must always reach (RMRR on Intel, IVMD on AMD), so it cannot go to a VM.

The state: ``/sys/kernel/iommu_groups/N/reserved_regions`` lists a region of type ``direct`` for the card's group.
Type ``direct-relaxable`` (USB, graphics, and everything with relax_rmrr) does no harm, nor do ``msi`` and
``reserved``.

The messages: older Intel kernels say ``Device is ineligible for IOMMU domain attach due to platform RMRR
requirement`` and QEMU ends with ``Operation not permitted``, the same text as without interrupt remapping. Since
Linux 6.6 it is ``Firmware has requested this device have a 1:1 IOMMU mapping`` and ``Failed to set group container:
Invalid argument``.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.reserved import ReservedRegions
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import names
from pvekit.passthrough.outcome import Outcome, failed, noted, passed, unknown
from pvekit.passthrough.pattern import Pattern

TITLE = "Firmware memory (RMRR) pins the card to the host"
LAYER = Layer.RMRR
SOURCES = (
    "Linux drivers/iommu/intel/iommu.c up to 6.5, device_is_rmrr_locked()",
    "Linux drivers/iommu/iommu.c since 6.6, __iommu_device_set_domain(); commit a48ce36e2786",
    "Linux Documentation/ABI/testing/sysfs-kernel-iommu_groups",
    "Proxmox VE kernel patch 0009, relax_rmrr",
)
FOLLOWS = ("RM-02",)

_PINNED = Pattern(
    r"ineligible for IOMMU domain attach due to platform RMRR requirement"
    r"|Firmware has requested this device have a 1:1 IOMMU mapping"
)
_QEMU = Pattern(r"(?i)failed to set (?:iommu for|group) container: (?:Operation not permitted|Invalid argument)")
_NOT_PERMITTED = Pattern(r"(?i)failed to set iommu for container: Operation not permitted")
_REMAPPED = Pattern(r"Enabled IRQ remapping in x2?apic mode|AMD-Vi: Interrupt remapping enabled")
_NOT_REMAPPED = Pattern(r"No interrupt remapping support\.")
_ONE_TO_ONE = Pattern(r"(?i)failed to set group container: Invalid argument")
_REMEDY = Remedy(
    "Take the card out of the region in the firmware: HPE servers exclude a slot with RBSU or conrep, "
    "AMD boards drop it "
    "with a firmware update or with pre-boot DMA protection off. On Intel the Proxmox VE kernel can ignore it with "
    "intel_iommu=on,relax_rmrr.",
    "If the firmware really works in that memory, ignoring the region can lose data or stop the host.",
)


def check(
    log: KernelLog | Missing, start: StartLog | Missing, regions: ReservedRegions | Missing, target: Target | Missing
) -> Outcome | None:
    """Read the regions of the target's group, else look for the message."""
    groups = (
        set() if isinstance(target, Missing) else {item.group for item in target.functions if item.group is not None}
    )
    known = [] if isinstance(regions, Missing) else [
        (group, region) for group in sorted(groups) for region in regions.by_group.get(group, ())
    ]  # fmt: skip
    direct = [(group, region) for group, region in known if region.kind == "direct"]
    said = None
    if not isinstance(log, Missing):
        hits = (line for _, line in log.find(_PINNED))
        said = next((line for line in hits if isinstance(target, Missing) or names(line, target)), None)
    refused = None if isinstance(start, Missing) else start.first(_QEMU)
    if direct:
        lines = [region.line for _, region in direct]
        group, region = direct[0]
        return failed(
            f"group {group} has a region that must stay mapped one to one: {region.start:#x}-{region.end:#x}",
            *lines, *([said] if said else []), remedy=_REMEDY,
        )  # fmt: skip
    if said is not None:
        if known:
            return noted("the card was refused for its RMRR before, but its group has no such region now", said)
        return failed(
            "the kernel refused the card because of memory that the firmware reserves for it",
            said, *([refused[1]] if refused else []), remedy=_REMEDY, confidence=Confidence.MEDIUM,
        )  # fmt: skip
    if known:
        return passed("no region of the card's group has to stay mapped one to one", known[0][1].line)
    left = None if isinstance(start, Missing) else start.first(_NOT_PERMITTED)
    if left is not None and not isinstance(log, Missing) and log.first(_NOT_REMAPPED) is None:
        remapped = log.first(_REMAPPED)
        if remapped is not None:
            return failed(
                "QEMU was refused although interrupts are remapped; what remains is memory that the firmware reserves",
                left[1],
                remapped[1],
                remedy=_REMEDY,
                confidence=Confidence.LOW,
            )
    fitting = None if isinstance(start, Missing) else start.first(_ONE_TO_ONE)
    if fitting is not None:
        return unknown(
            "QEMU could not take the group: firmware memory is the usual reason, the log or the regions prove it",
            fitting[1], missing=("dmesg.txt", "reserved_regions.txt"),
        )  # fmt: skip
    return None
