"""Starts, stops and restarts VMs."""

from __future__ import annotations

from pvekit.adapters import pve as api
from pvekit.engine import Context
from pvekit.model.plan import Action
from pvekit.provision.apply.job import Job
from pvekit.provision.apply.memory import demand_memory

SHUTDOWN_SECONDS = 120


def running(job: Job, name: str) -> bool:
    """Return whether the VM runs now."""
    live = job.live[name]
    return str(api.status(job.pve, live.node, live.vmid).get("status")) == "running"


def start(job: Job, action: Action, context: Context) -> None:
    """Start the VM, as a step of its own: a start within create hides its failure.

    Raises PreflightRefused when the node has no memory for it now.
    """
    switch_on(job, action.vm, context)


def switch_on(job: Job, name: str, context: Context) -> None:
    """Start the VM if it does not run. Raises PreflightRefused when the node has no memory for it now."""
    live = job.live[name]
    if running(job, name):
        return
    demand_memory(job, name, context)
    job.task(name, context, lambda: api.start(job.pve, live.node, live.vmid), lambda: running(job, name))


def switch_off(job: Job, name: str, context: Context) -> None:
    """Pull the plug."""
    live = job.live[name]
    job.task(name, context, lambda: api.stop(job.pve, live.node, live.vmid), lambda: not running(job, name))


def stop(job: Job, action: Action, context: Context) -> None:
    """Shut the guest down; switch it off when it does not within two minutes."""
    live = job.live[action.vm]
    if not running(job, action.vm):
        return
    job.task(
        action.vm,
        context,
        lambda: api.shutdown(job.pve, live.node, live.vmid, timeout=SHUTDOWN_SECONDS, force=True),
        lambda: not running(job, action.vm),
    )


def restart(job: Job, action: Action, context: Context) -> None:
    """Stop and start again, so that QEMU itself is new and pending changes are applied."""
    stop(job, action, context)
    start(job, action, context)
