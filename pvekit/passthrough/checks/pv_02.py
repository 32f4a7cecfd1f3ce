"""proxmox-boot-tool has complaints about its boot partitions.

After a disk was replaced ``/etc/kernel/proxmox-boot-uuids`` names a partition that is gone; the tool then skips it
and serves the others. If the new disk's partition was never initialised, the host may start from one with old kernels
and old options. The options in force are judged elsewhere; this is a note.
"""

from __future__ import annotations

from pvekit.model.finding import Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.boot import Boot
from pvekit.passthrough.outcome import Outcome, noted, passed

TITLE = "Boot partitions are not in order"
LAYER = Layer.KERNEL_OPTION
SOURCES = (
    "pve-docs system-booting.adoc, proxmox-boot-tool",
    "proxmox-kernel-helper proxmox-boot-tool, status and clean",
)
_REMEDY = Remedy(
    "Run proxmox-boot-tool clean; format and init the boot partition of a new disk; then proxmox-boot-tool refresh.",
    risk="format erases the partition that is named: check it twice.",
)


def check(boot: Boot | Missing) -> Outcome | None:
    """Look at the tool's complaints."""
    if isinstance(boot, Missing):
        return None
    about = [line for line in boot.warnings if "boot-uuids" in line.text or "by-uuid" in line.text]
    if about:
        return noted("proxmox-boot-tool does not find all its boot partitions", *about, remedy=_REMEDY)
    if not boot.proxmox_tool:
        return None
    return passed("proxmox-boot-tool keeps the boot partitions and has no complaint", *boot.evidence[:1])
