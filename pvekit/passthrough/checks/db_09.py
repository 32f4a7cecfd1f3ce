"""nova_core, the new driver for NVIDIA cards in Linux 7, holds the card.

Some kernels were built with it (Ubuntu's first 7.0, Proxmox VE 7.0.2-2) and it claims Turing, Ampere and Ada cards at
boot, though it cannot drive them yet. A blacklist of nouveau does not stop it. NVIDIA's driver says ``GPU ... is
already bound to NovaCore``.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import wanted_by, wanted_ids
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.members import names, on_vfio, proxmox
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "nova_core holds the card"
LAYER = Layer.BINDING
SOURCES = (
    "Linux drivers/gpu/nova-core/driver.rs",
    "https://github.com/beclab/Olares/pull/3963",
    "Proxmox VE pve-kernel debian/changelog, 7.0.2-3",
)
_BOUND = Pattern(r"NVRM: GPU ([0-9a-f:.]+) is already bound to NovaCore")
_DRIVERS = frozenset({"NovaCore", "nova_core", "nova-core", "nova"})
_REMEDY = Remedy(
    "blacklist nova_core (and nova_drm) in /etc/modprobe.d, update-initramfs, reboot; or a kernel without it."
)


def check(
    target: Target | Missing, log: KernelLog | Missing, start: StartLog | Missing, kernel: Kernel | Missing,
    vms: VmConfigs | Missing, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing,
) -> Outcome | None:  # fmt: skip
    """Look at the card's driver and at NVIDIA's complaint."""
    said = None if isinstance(log, Missing) else log.first(_BOUND)
    if said is not None and not isinstance(target, Missing) and not names(said[1], target):
        said = None
    card = None if isinstance(target, Missing) else target.card
    lines = [said[1]] if said is not None else []
    if card is not None and on_vfio(card):
        return passed("the card is on vfio-pci", card.driver_line) if card.vendor == "10de" else None
    if card is not None and card.driver in _DRIVERS:
        wanted = wanted_by(card, wanted_ids(modprobe, cmdline))
        if lines or wanted is not None or not proxmox(kernel, vms, start):
            return failed(f"nova_core holds {card.bdf}", card.driver_line, *lines, remedy=_REMEDY)
        return noted(
            f"nova_core holds {card.bdf}; Proxmox VE changes that when the VM starts", card.driver_line, remedy=_REMEDY
        )
    if lines and (card is None or not card.driver):
        return failed("nova_core holds the card", *lines, remedy=_REMEDY, confidence=Confidence.MEDIUM)
    return None
