"""Waits until a guest is usable: agent, cloud-init, host key, address, SSH. Each has its own end and its own hint."""

from __future__ import annotations

import json
import time
from typing import Any

from pvekit.adapters.pve import agent
from pvekit.adapters.ssh import Target, wait_ssh
from pvekit.adapters.sshkeys import HostKey, parse_host_key, write_known_hosts
from pvekit.engine import Context
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import ApiError, Conflict, GuestNotReady
from pvekit.model.mark import Stage
from pvekit.model.plan import Action
from pvekit.provision.apply.install import first_logon, late
from pvekit.provision.apply.job import Job
from pvekit.provision.apply.standstill import Watch, until

HOST_KEY_FILE = "/etc/ssh/ssh_host_ed25519_key.pub"
WINDOWS_HOST_KEY_FILE = r"C:\ProgramData\ssh\ssh_host_ed25519_key.pub"
_STATUS_FILE = "/run/cloud-init/status.json"
_RESULT_FILE = "/run/cloud-init/result.json"
_PAUSE = 1.0


def ready(job: Job, action: Action, context: Context) -> None:
    """Wait for the guest. What was learned (host key, address) stays in the job."""
    vm, live = job.vms[action.vm], job.live[action.vm]
    patience = vm.patience
    context.log("waiting for the guest agent")
    watch = Watch(job, vm.name, context, revive=True)
    if not until(lambda: agent.ping(job.pve, live.node, live.vmid), patience.agent, watch.pause):
        raise _silent(job, vm, context)
    watch = Watch(job, vm.name, context)
    if live.mark.stage is Stage.INSTALLED:
        first_logon(job, vm.name, patience.cloud_init, context, watch)
    elif live.mark.stage is Stage.CREATED:
        _cloud_init(job, vm.name, patience.cloud_init, context, watch)
    live.host_key = _host_key(job, vm, context)
    live.address = address_of(job, vm.name)
    remember_hosts(job)
    context.log(f"{live.address}, host key {live.host_key.fingerprint}")
    with wait_ssh(target(job, vm.name), time.monotonic() + patience.ssh, sleep=watch.pause):
        context.log("SSH login works")


def _silent(job: Job, vm: DesiredVm, context: Context) -> GuestNotReady:
    """Return the error of a guest whose agent never answered."""
    if vm.install is not None:
        hint = f"Look at its screen: pvekit screenshot {vm.name}. Windows gets its agent on the first logon."
    else:
        hint = f"Look at its console: pvekit console {vm.name}. "
        hint += "The image needs qemu-guest-agent, or network to install it."
    return late(job, vm.name, "agent", "the guest agent did not answer", vm.patience.agent, hint, context)


def target(job: Job, name: str) -> Target:
    """Return how the VM is logged in to."""
    live = job.live[name]
    keys = (live.host_key,) if live.host_key else ()
    return Target(name, live.address, 22, job.vms[name].user, keys, job.key_path)


def remember_hosts(job: Job) -> None:
    """Write the known_hosts file of the stack, for Ansible and for people."""
    known = [(live.address, 22, live.host_key) for live in job.live.values() if live.host_key and live.address]
    with job.files:
        write_known_hosts(job.known_hosts, known)


def _guest_file(job: Job, name: str, path: str) -> str | None:
    """Return a file of the guest; None while it is not there or the agent is busy."""
    live = job.live[name]
    try:
        return agent.read_file(job.pve, live.node, live.vmid, path)
    except (ApiError, Conflict) as error:
        if isinstance(error, ApiError) and error.status == 403:
            raise
        return None


def _guest_json(job: Job, name: str, path: str) -> dict[str, Any]:
    try:
        found = json.loads(_guest_file(job, name, path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _cloud_init(job: Job, name: str, seconds: float, context: Context, watch: Watch) -> None:
    """Wait for the end of cloud-init and show its own errors. Recoverable ones are only told."""
    last = ""

    def done() -> bool:
        nonlocal last
        if _guest_json(job, name, _RESULT_FILE):
            return True
        stage = str(_guest_json(job, name, _STATUS_FILE).get("v1", {}).get("stage") or "")
        if stage and stage != last:
            last = stage
            context.log(f"cloud-init: {stage}")
        return False

    context.log("waiting for cloud-init")
    if not until(done, seconds, watch.pause):
        raise GuestNotReady(
            f"cloud-init did not end within {seconds:.0f} s",
            where=job.where(name),
            hint=f"See what it does: pvekit logs {name}",
        )
    errors = _guest_json(job, name, _RESULT_FILE).get("v1", {}).get("errors") or []
    if errors:
        raise GuestNotReady(
            "cloud-init failed:\n" + "\n".join(f"  {line}" for line in errors),
            where=job.where(name),
            hint=f"Its log: pvekit logs {name}. Correct user_data, then: pvekit down --only {name}, and up again.",
        )
    for level, texts in _guest_json(job, name, _STATUS_FILE).get("v1", {}).get("recoverable_errors", {}).items():
        for text in texts:
            context.log(f"cloud-init {level.lower()}: {text}")


def _host_key(job: Job, vm: DesiredVm, context: Context) -> HostKey:
    path = HOST_KEY_FILE if vm.install is None else WINDOWS_HOST_KEY_FILE
    for _ in range(30):
        text = _guest_file(job, vm.name, path)
        if text:
            try:
                return parse_host_key(text)
            except ValueError as error:
                raise GuestNotReady(f"{path}: {error}", where=job.where(vm.name)) from error
        context.sleep(_PAUSE)
    raise GuestNotReady(
        f"the guest has no {path}",
        where=job.where(vm.name),
        hint="Is the SSH server installed in the image?",
    )


def address_of(job: Job, name: str) -> str:
    """Return the address of the VM's first NIC as its agent reports it, IPv4 before IPv6.

    Interfaces are found by MAC address, so that the guest's own bridges and tunnels are never taken for it.
    """
    live, vm = job.live[name], job.vms[name]
    for _ in range(60):
        cards = {card.mac.upper(): card for card in agent.interfaces(job.pve, live.node, live.vmid)}
        card = cards.get(vm.macs[0].upper()) if vm.macs else None
        usable = [a for a in (card.addresses if card else ()) if not a.startswith(("169.254.", "fe80:"))]
        if usable:
            return vm.static if vm.static in usable else sorted(usable, key=lambda a: ":" in a)[0]
        job.sleep(_PAUSE)
    raise GuestNotReady(
        "the guest has no address on its first network card",
        where=job.where(name),
        hint=f"Is there a DHCP server on its bridge? Look at it: pvekit console {name}. Or give it a static address.",
    )
