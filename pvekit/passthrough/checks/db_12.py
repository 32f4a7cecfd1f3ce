"""A Radeon RX 9000 (RDNA 4) card was given to vfio-pci before its own driver had set it up, and does not wake.

The link to the card does not come up again (``broken device, retraining non-functional downstream link``) and QEMU
says ``Unable to power on device, stuck in D3``; QEMU goes on all the same, and the VM can start with a card that does
not answer. Where amdgpu may set up the card first, and it is handed over when the VM starts (Proxmox VE does that by
itself when no ids are configured), it works. For other cards see RS-03.
"""

from __future__ import annotations

import re

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "An RDNA 4 card was given to vfio-pci too early"
LAYER = Layer.BINDING
SOURCES = (
    "Linux drivers/pci/quirks.c, pcie_failed_link_retrain()",
    "QEMU hw/vfio/pci.c, vfio_pci_pre_reset(): Unable to power on device, stuck in D3",
)
_RDNA4 = frozenset({"7550", "7551", "7590"})
_LINK = Pattern(r"broken device, retraining non-functional downstream link|: retraining failed")
_STUCK = Pattern(r"Unable to power on device, stuck in D3|Unable to change power state from D3(?:cold|hot) to D0")
_REMEDY = Remedy(
    "Let amdgpu set up the card first: take its ids from vfio-pci, and hand it over when the VM starts (hookscript or "
    "Proxmox VE itself).",
    "Handing over a card whose display is in use can stop the host.",
)


def check(
    target: Target | Missing, log: KernelLog | Missing, start: StartLog | Missing, modprobe: Modprobe | Missing,
    cmdline: Cmdline | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for both messages about an RDNA 4 card that is on vfio-pci from boot on."""
    if isinstance(target, Missing) or isinstance(log, Missing):
        return None
    card = target.card
    if card is None or card.vendor != "1002" or card.device.lower() not in _RDNA4:
        return None
    link = log.first(_LINK)
    stuck = log.first(_STUCK)
    if stuck is None and not isinstance(start, Missing):
        stuck = start.first(_STUCK)
    wanted = wanted_by(card, wanted_ids(modprobe, cmdline))
    before = log.first(rf"\bamdgpu {re.escape(str(card.bdf))}: ")
    if before is not None:
        return passed("amdgpu had set up the card before", before[1])
    if link is None or stuck is None or wanted is None:
        return None
    return failed(
        "the card was on vfio-pci before amdgpu could set it up, and does not wake", wanted, link[1], stuck[1],
        remedy=_REMEDY, confidence=Confidence.MEDIUM, until=Layer.VM,
    )  # fmt: skip
