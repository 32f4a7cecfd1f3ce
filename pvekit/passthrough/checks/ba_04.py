"""The guest puts the card's BAR at an address that the host's IOMMU cannot reach.

OVMF places large BARs near the top of the guest's address space. With ``cpu: host`` the guest sees the processor's
width, 46 bits for example, while the IOMMUs of many desktop processors translate 39. QEMU then says
``vfio_dma_map(...) = -22 (Invalid argument)`` with an address beyond 0x7fffffffff. For a BAR it goes on, only direct
traffic between cards is lost; some starts end with it. The width is in the kernel log: ``DMAR: Host address width
39``.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough import barmap
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The guest uses addresses beyond the IOMMU's width"
LAYER = Layer.BARS
SOURCES = (
    "QEMU hw/vfio/listener.c, vfio_listener_region_add(); series on unsupported IOVA ranges, 2025",
    "Linux drivers/vfio/vfio_iommu_type1.c, vfio_iommu_iova_dma_valid()",
    "Linux drivers/iommu/intel/dmar.c, parse_dmar_table() (Host address width)",
)
_REMEDY = Remedy(
    "Limit the guest's address width to that of the IOMMU: guest-phys-bits=39 in a custom CPU model, or "
    "args: -cpu host,host-phys-bits-limit=39."
)
_REFUSED = Pattern(
    r"dma_map\([^,]+, 0x(?P<at>[0-9a-f]{1,16}), 0x(?P<size>[0-9a-f]{1,16}), [^)]*\) = -22 \(Invalid argument\)"
)
_WIDTH = Pattern(r"DMAR: Host address width (?P<bits>\d{1,2})\b")
_SMALL = 39
_FATAL = Pattern(
    r"memory listener initialization failed|unable to continue|KVM_SET_USER_MEMORY_REGION failed|TASK ERROR"
)
_HARMLESS = Pattern(r"p2p may not work|peer-to-peer transactions on BARs are not supported")


def check(start: StartLog | Missing, log: KernelLog | Missing) -> Outcome | None:
    """Compare the address with the IOMMU's width."""
    if isinstance(start, Missing):
        return None
    width = None if isinstance(log, Missing) else log.first(_WIDTH)
    bits = int(width[0]["bits"]) if width else _SMALL
    why = (width[1],) if width else ()
    refused = list(start.find(_REFUSED))
    beyond = [(match, line) for match, line in refused if int(match["at"], 16) + int(match["size"], 16) > 1 << bits]
    if not beyond:
        within = [line for _, line in refused if width]
        return passed(f"the address lies within the IOMMU's {bits} bits", within[0], *why) if within else None
    match, line = beyond[0]
    said = f"{barmap.human(int(match['size'], 16))} at 0x{match['at']}"
    message = f"QEMU cannot map {said} for the card" + (f": the IOMMU has {bits} bits" if width else "")
    fatal = start.first(_FATAL)
    if fatal is None and start.started:
        return noted(f"{message}; the VM runs without traffic between cards", line, *why, remedy=_REMEDY)
    if fatal is None and (width is None or start.first(_HARMLESS)):
        return failed(message, line, *why, remedy=_REMEDY, confidence=Confidence.LOW)
    return failed(message, line, *why, *((fatal[1],) if fatal else ()), remedy=_REMEDY, confidence=Confidence.MEDIUM)
