"""The VM wants huge pages, and the host cannot give them.

PVE reserves them itself at start; that fails when free memory is too much in pieces, or lies on another NUMA node.
PVE also refuses huge pages without ``numa: 1`` and sizes that do not divide the memory. Passthrough does not need
huge pages.
"""

from __future__ import annotations

from pvekit.model.finding import Confidence, Layer, Remedy
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.outcome import Outcome, failed, passed
from pvekit.passthrough.vmrules import at, in_question, lacks, memory, named, on, said

TITLE = "Huge pages cannot be had"
LAYER = Layer.VM
SOURCES = (
    "qemu-server PVE/QemuServer/Memory.pm, hugepages_allocate() and hugepages_size()",
    "QEMU system/physmem.c, file_ram_alloc()",
)
_REMEDY = Remedy(
    "Take the hugepages line out of the VM's configuration, or reserve the pages at boot (default_hugepagesz, "
    "hugepagesz and hugepages on the kernel command line).",
    risk="Memory that is reserved at boot is lost for everything else.",
)
_SAID = (
    r"hugepage allocation failed|numa needs to be enabled to use hugepages|"
    r"your system doesn't support hugepages|is not a multiple of the requested hugepages size|"
    r"unable to map backing store for guest RAM"
)


def check(vms: VmConfigs | Missing, target: Target | Missing, start: StartLog | Missing) -> Outcome | None:
    """Look for a refusal, then for settings that PVE refuses."""
    hit = said(_SAID, start)
    asking = [vm for vm in in_question(vms, target) if vm.values.get("hugepages")]
    for vm in asking:
        if not on(vm.values.get("numa")) and ("numa" in vm.values or lacks(vm, "numa")):
            return failed(f"{named(vm)} asks for huge pages without numa: 1", *at(vm, "hugepages", "numa"),
                          *((hit[1],) if hit else ()), remedy=_REMEDY)  # fmt: skip
        size = vm.values["hugepages"]
        if size.isdecimal() and (memory(vm) or 0) % int(size):
            return failed(f"the memory of {named(vm)} is no multiple of {size} MiB", *at(vm, "hugepages", "memory"),
                          *((hit[1],) if hit else ()), remedy=_REMEDY)  # fmt: skip
    if hit is not None:
        return failed("the start ended because huge pages could not be had", hit[1],
                      *(at(asking[0], "hugepages") if asking else ()),
                      remedy=_REMEDY, confidence=Confidence.MEDIUM)  # fmt: skip
    if asking and not isinstance(start, Missing) and start.started:
        return passed("the VM started with huge pages", *at(asking[0], "hugepages"))
    return None
