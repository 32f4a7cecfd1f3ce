"""QEMU may not lock as much memory as passthrough needs.

All of the guest's memory is pinned when a device is passed through. A QEMU that does not run as root is held to the
limit on locked memory (``RLIMIT_MEMLOCK``, ``ulimit -l``); the kernel then says ``vfio_pin_pages_remote:
RLIMIT_MEMLOCK (...) exceeded`` and QEMU ``VFIO_MAP_DMA failed: Cannot allocate memory``. On Proxmox VE QEMU runs as
root, which the limit does not bind, so there the second message alone means something else.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.limits import Limits
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed, unknown
from pvekit.passthrough.pattern import Pattern
from pvekit.passthrough.vmrules import in_question, memory, said

TITLE = "The limit on locked memory is too low"
LAYER = Layer.VM
SOURCES = (
    "Linux drivers/vfio/vfio_iommu_type1.c, vfio_pin_pages_remote() and vfio_lock_acct()",
    "QEMU hw/vfio/container.c, vfio_legacy_dma_map()",
)
_REMEDY = Remedy(
    "Raise the limit of the service or user that starts QEMU above the guest's memory: LimitMEMLOCK=infinity in the "
    "systemd unit, a memlock line in /etc/security/limits.d, or memtune/hard_limit in the libvirt domain."
)
_LIMIT = r"vfio_pin_page\w*: .*RLIMIT_MEMLOCK \((\d+)\) exceeded"
_REFUSED = (
    r"VFIO_MAP_DMA failed: Cannot allocate memory|"
    r"vfio_(?:container_)?dma_map\s?\(.*= -12 \(Cannot allocate memory\)"
)
_UNPRIVILEGED = Pattern(r"\bqemu(?:-system-x86_64|-kvm)\S*: ")
"""Started by libvirt or a person: Proxmox VE's is called kvm and runs as root."""


def check(
    vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing, log: KernelLog | Missing,
    limits: Limits | Missing, kernel: Kernel | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for the kernel's own word, else compare the limit with what failed."""
    hit = said(_LIMIT, log, start)
    refused = said(_REFUSED, start, log)
    if hit is not None:
        extra = () if isinstance(limits, Missing) or limits.memlock is None else (limits.line,)
        return failed(f"the kernel refused to pin more memory: the limit is {hit[0][1]} bytes", hit[1], *extra,
                      remedy=_REMEDY, confidence=Confidence.HIGH if extra else Confidence.MEDIUM)  # fmt: skip
    if refused is None:
        return None
    if not isinstance(limits, Missing) and limits.memlock is None:
        return passed("the limit on locked memory is unlimited", limits.line)
    if (not isinstance(kernel, Missing) and kernel.pve) or in_question(vms, target):
        return None
    if isinstance(limits, Missing) and _UNPRIVILEGED.search(refused[0].string):
        return failed("QEMU, which does not run as root here, could not lock the guest's memory", refused[1],
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    if isinstance(limits, Missing):
        return unknown("mapping the guest's memory failed; a limit on locked memory may be the reason", refused[1],
                       missing=("ulimit.txt", "dmesg.txt"))  # fmt: skip
    wanted = max((memory(vm) or 0 for vm in ([] if isinstance(vms, Missing) else vms.vms)), default=0)
    if limits.memlock is not None and limits.memlock < max(wanted, 256) * 1024 * 1024:
        return failed(f"QEMU may lock {limits.memlock} bytes, and mapping the guest's memory failed",
                      limits.line, refused[1], remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    return unknown("mapping the guest's memory failed; the kernel log would name a limit that was reached", refused[1],
                   missing=("dmesg.txt",))  # fmt: skip
