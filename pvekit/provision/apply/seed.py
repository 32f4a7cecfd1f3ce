"""The cloud-init seed: made here, uploaded as an ISO, detached and deleted once the guest has read it."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pvekit.adapters import pve as api
from pvekit.adapters.iso import write_iso
from pvekit.engine import Context
from pvekit.model.cloudinit import LABEL
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import NotFound
from pvekit.model.mark import Stage
from pvekit.model.plan import Action
from pvekit.provision.apply.answer import answer_cd
from pvekit.provision.apply.job import Job


def prefix(stack: str, vm: str) -> str:
    """Return how the names of all seeds of a VM begin. Neither name can hold a dot, so no two VMs share it."""
    return f"pvekit.{stack}.{vm}."


def seed(job: Job, action: Action, context: Context) -> None:
    """Upload the seed. Its name carries its digest; an upload of the same bytes changes nothing."""
    vm = job.vms[action.vm]
    data = answer_cd(job, vm, context.log) if vm.install is not None else _seed_cd(job, vm)
    digest = hashlib.sha256(data).hexdigest()
    filename = f"{prefix(job.stack, vm.name)}{digest[:12]}.iso"
    volid = f"{vm.iso_storage}:iso/{filename}"

    def there() -> bool:
        volumes = api.content(job.pve, vm.node, vm.iso_storage, "iso")
        return any(volume.volid == volid and volume.size == len(data) for volume in volumes)

    with _in_memory(data) as path:

        def begin() -> str:
            return api.upload(job.pve, vm.node, vm.iso_storage, path, content="iso", sha256=digest, filename=filename)

        job.task(vm.name, context, begin, there)
    job.seeds[vm.name] = volid


def _seed_cd(job: Job, vm: DesiredVm) -> bytes:
    assert vm.seed is not None  # noqa: S101 - the plan has no seed action otherwise
    password = job.secret(vm.seed.password) if vm.seed.password is not None else ""
    keys = (*vm.seed.ssh_keys, job.public_key)
    return write_iso(vm.seed.with_keys(keys).render(password).files(), LABEL)


@contextmanager
def _in_memory(data: bytes) -> Iterator[Path]:
    """Give a path under which this process alone reads the data: a seed may hold a password in clear.

    A process that is killed leaves nothing behind. Where there is no memfd (not Linux), it is a file that could.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.NamedTemporaryFile(prefix="pvekit-") as file:
            file.write(data)
            file.flush()
            yield Path(file.name)
        return
    with os.fdopen(os.memfd_create("pvekit-seed"), "wb") as file:
        file.write(data)
        file.flush()
        yield Path(f"/proc/self/fd/{file.fileno()}")


def settle(job: Job, action: Action, context: Context) -> None:
    """Detach the seed and note that the first boot is over.

    The boot order goes with it: PVE adds an emptied CD drive to the pending order otherwise.
    """
    vm, live = job.vms[action.vm], job.live[action.vm]
    mark = live.mark.with_stage(Stage.BOOTED, host_key=str(live.host_key or ""))
    job.remember(vm.name, mark, **{vm.seed_slot: "none,media=cdrom", "boot": vm.boot})
    context.log("seed detached")


def unseed(job: Job, action: Action, context: Context) -> None:
    """Delete every seed of this VM, those of interrupted runs included: they may have chosen another node for it."""
    vm = job.vms[action.vm]
    start = f"{vm.iso_storage}:iso/{prefix(job.stack, vm.name)}"
    for node in _nodes(job, vm):
        # A copy whose UPID was lost on the way may still be under way, and would bring the seed back.
        for task in api.node_tasks(job.pve, node, running=True):
            if task.type == "imgcopy":
                job.poller.wait(task.upid)
        for volume in api.content(job.pve, node, vm.iso_storage, "iso"):
            if volume.volid.startswith(start):
                context.log(f"deleting {volume.volid}")
                _delete(job, vm.name, node, volume.volid, context)


def _nodes(job: Job, vm: DesiredVm) -> list[str]:
    """Return the nodes whose ISO storage may hold a seed of the VM: its own, and all others unless it is shared."""
    node = job.live[vm.name].node
    there = [row for row in job.facts.storages if row.name == vm.iso_storage and row.active]
    return [node, *(row.node for row in there if not row.shared and row.node != node)]


def _delete(job: Job, name: str, node: str, volid: str, context: Context) -> None:
    storage = volid.partition(":")[0]

    def gone() -> bool:
        return all(volume.volid != volid for volume in api.content(job.pve, node, storage, "iso"))

    try:
        job.task(name, context, lambda: api.delete_volume(job.pve, node, volid), gone)
    except NotFound:
        context.log(f"{volid} is gone already")
