"""Whether a VM's memory is there now: asked right before its start, since a plan is older than the start."""

from __future__ import annotations

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.budget import arc_mib, gib, overhead_mib
from pvekit.model.errors import PermissionDenied, PreflightRefused
from pvekit.model.units import MIB
from pvekit.provision.apply.job import Job
from pvekit.provision.tables import keys_of, pinned_by, zfs


def demand_memory(job: Job, name: str, context: Context) -> None:
    """Raise PreflightRefused when the node cannot give the VM its memory now. One request.

    Pinned memory must be free. Other memory may also come out of what the node's ZFS cache gives back and out of swap,
    and of a VM with a balloon only the minimum must be there.
    """
    vm, live = job.vms.get(name), job.live[name]
    if vm is None:
        return
    try:
        now = api.node_status(job.pve, live.node)
    except PermissionDenied:
        context.log("whether its memory is free is not known: the token may not see it (Sys.Audit on the node)")
        return
    pinned = pinned_by(keys_of(vm, job.facts))
    if pinned == "hugepages" or not now.memory:
        # They are reserved already, or QEMU says itself that they are not.
        return
    overhead = overhead_mib(vm.memory_mib, vm.threads)
    balloon = int(vm.config.get("balloon", "0"))
    least = balloon if 0 < balloon < vm.memory_mib and not pinned else vm.memory_mib
    free = now.available // MIB
    sources = f"{gib(free)} GiB are free"
    if not pinned:
        cache = arc_mib(now.memory // MIB, None) if zfs(live.node, job.facts) else 0
        spare = cache + now.swap_free // MIB
        free += spare
        sources += f", and {gib(spare)} GiB can be had from swap and caches" if spare else ""
    if least + overhead <= free:
        return
    what = f"all of it at once, because {pinned} pins it" if pinned else ""
    if least != vm.memory_mib:
        what = "with its balloon full"
    what = f" ({what})" if what else ""
    needs = f"{gib(least)} GiB{what} + {gib(overhead)} for QEMU = {gib(least + overhead)} GiB"
    raise PreflightRefused(
        [f"{live.node} has too little memory for {job.where(name)} now: it needs {needs}; {sources}"],
        hint="Stop other VMs, or give this one less memory; then run the same command again: it continues here.",
    )
