"""The vfio modules are not there.

Proxmox VE loads vfio-pci by itself when a VM starts; ``Cannot find vfio-pci module!`` means that even that failed:
the module is not installed for the running kernel (often after an upgrade without a reboot) or forbidden. Plain QEMU
says ``failed to open /dev/vfio/vfio: No such file or directory``. No proof is a missing ``vfio_virqfd``: since Linux
6.2 it is a part of vfio, and the message that it was not found is harmless.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.binding import blacklisted
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.modules import LoadedModules
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.pattern import Pattern

TITLE = "The vfio modules are not loaded"
LAYER = Layer.BINDING
SOURCES = (
    "Proxmox VE pve-common src/PVE/SysFSTools.pm, pci_dev_bind_to_vfio()",
    "QEMU hw/vfio/container.c, vfio_container_connect()",
    "Linux drivers/vfio/Kconfig, VFIO_VIRQFD",
)
_SAID = Pattern(
    r"Cannot find vfio-pci module!|failed to open /dev/vfio/vfio: No such file or directory"
    r"|Module vfio[-_]pci not found in directory"
)
_LOADED = Pattern(r"VFIO - User Level meta-driver|vfio_pci: add \[")
_REMEDY = Remedy(
    "Boot the kernel whose modules are installed, and load vfio, vfio_iommu_type1 and vfio_pci "
    "(/etc/modules-load.d, then update-initramfs)."
)


def check(
    start: StartLog | Missing, log: KernelLog | Missing, modules: LoadedModules | Missing, target: Target | Missing,
    modprobe: Modprobe | Missing, cmdline: Cmdline | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for the refusal, then for the modules themselves."""
    said = None if isinstance(start, Missing) else start.first(_SAID)
    if said is None and not isinstance(log, Missing):
        said = log.first(_SAID)
    card = None if isinstance(target, Missing) else target.card
    there = [] if isinstance(modules, Missing) else [
        modules.lines[name] for name in ("vfio_pci", "vfio_iommu_type1") if name in modules.lines
    ]  # fmt: skip
    seen = None if isinstance(log, Missing) else log.first(_LOADED)
    proof = [card.driver_line] if card is not None and on_vfio(card) else there if len(there) == 2 else []
    if seen is not None:
        proof.append(seen[1])
    if said is not None and not proof:
        never = blacklisted(modprobe, cmdline)
        more = [never[name] for name in ("vfio_pci", "vfio_iommu_type1", "vfio") if name in never]
        return failed(
            "the vfio modules could not be loaded", said[1], *more, remedy=_REMEDY, confidence=Confidence.MEDIUM
        )
    if said is not None:
        return noted("the vfio modules were not there once; they are now", said[1], *proof[:1])
    return passed("the vfio modules are loaded", *proof[:2]) if proof else None
