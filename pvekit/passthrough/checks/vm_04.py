"""The host has not enough free memory for the VM. With a passed-through device all of it is needed at once.

A device may write anywhere in the guest's memory, so QEMU pins all of it when the VM starts; memory cannot be lent to
other VMs, and ballooning saves nothing while the device is there. QEMU then says ``cannot set up guest memory``, the
mapping ends with ``Cannot allocate memory``, or the kernel ends a process (``Out of memory``). ``balloon`` with a
passed-through device is no fault in itself.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.memory import Memory
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, noted, passed
from pvekit.passthrough.vmrules import at, in_question, memory, named, said

TITLE = "Not enough free memory on the host"
LAYER = Layer.VM
SOURCES = (
    "Linux drivers/vfio/vfio_iommu_type1.c, vfio_pin_pages_remote()",
    "QEMU system/physmem.c, ram_block_add()",
    "pve-docs qm.adoc",
)
_REMEDY = Remedy("Give the VM less memory, or end other VMs; leave some for the host (ZFS takes a share too).")
_FULL = r"cannot set up guest memory '[^']+': Cannot allocate memory"
_PINNED = (
    r"VFIO_MAP_DMA failed: Cannot allocate memory|"
    r"vfio_(?:container_)?dma_map\s?\(.*= -12 \(Cannot allocate memory\)"
)
_KILLED = r"Out of memory: Killed process \d+ \((?:kvm|qemu-system-\S*|CPU \d+/KVM)\)"


def check(
    vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing, log: KernelLog | Missing,
    host: Memory | Missing,
) -> Outcome | None:  # fmt: skip
    """Look for a start that ended for want of memory."""
    found = in_question(vms, target)
    wanted = max(found, key=lambda vm: memory(vm) or 0, default=None)
    need = (memory(wanted) or 0) if wanted is not None else 0
    free = None if isinstance(host, Missing) else host.values.get("MemAvailable")
    short = wanted is not None and free is not None and free < need * 1024
    lines = () if wanted is None or isinstance(host, Missing) or free is None else (
        *at(wanted, "memory"), host.lines["MemAvailable"])  # fmt: skip
    for pattern in (_FULL, _KILLED):
        hit = said(pattern, start, log)
        if hit is not None:
            return failed("the host had not enough memory for the VM", hit[1], *(lines if short else ()),
                          remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    if short and wanted is not None and free is not None:
        hit = said(_PINNED, start, log)
        message = f"{named(wanted)} wants {need} MiB, and the host has {free // 1024} MiB left"
        if hit is not None and said(r"RLIMIT_MEMLOCK", log) is None:
            return failed(f"{message}; mapping the memory failed", hit[1], *lines,
                          remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
        if not isinstance(start, Missing) and start.started:
            return None
        return noted(f"{message}; that is too little if the VM was not running when this was read", *lines)
    for vm in found:
        if vm.values.get("balloon", "0") not in {"0", vm.values.get("memory", "")}:
            return noted("balloon saves no memory with a passed-through device: all of it is pinned",
                         *at(vm, "balloon", "memory"))  # fmt: skip
    if wanted is not None and free is not None and need:
        return passed(f"the host has {free // 1024} MiB left, and the VM wants {need} MiB", *lines)
    return None
