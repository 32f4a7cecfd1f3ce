"""Runs the playbooks of one VM and notes that they went through."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any

from pvekit.adapters import ansible
from pvekit.engine import Context
from pvekit.model.errors import ApiError, Conflict, GuestNotReady, ProvisionFailed
from pvekit.model.event import Event, Kind
from pvekit.model.inventory import Host, Inventory
from pvekit.model.mark import Stage
from pvekit.model.plan import Action
from pvekit.model.stack import SecretRef
from pvekit.provision.apply.job import Job
from pvekit.provision.apply.ready import address_of

_PORT_SECONDS = 120


def provision(job: Job, action: Action, context: Context) -> None:
    """Run every playbook of the VM in order. Raises ProvisionFailed with task and message of the first failure."""
    vm, live = job.vms[action.vm], job.live[action.vm]
    work = vm.provisioning
    secrets = {key: _revealed(job, value) for key, value in work.secrets.items()}
    inventory = inventory_of(job, vm.name)
    variables = dict(work.variables)
    if work.hosts:
        variables["pvekit_addresses"] = {name: _address(job, vm.name, name) for name in work.hosts}
    if work.model is not None:
        assert job.models is not None  # noqa: S101 - given by every run that can have such VMs
        variables["pvekit_llama_model"] = dict(job.models(work.model, context.log))
    for name in work.playbooks:
        context.log(f"playbook {name}")
        result = ansible.run(
            job.playbook(name),
            inventory,
            extra_vars=variables,
            secrets=secrets,
            on_event=lambda event: _tell(context, event),
            cancel=job.stop,
        )
        if not result.ok:
            failure = result.failures[0] if result.failures else None
            raise ProvisionFailed(
                f"playbook {name}: " + (f"{failure.task}: {failure.message}" if failure else "the host failed"),
                where=job.where(vm.name),
                hint="Correct the playbook or its variables, then run pvekit up again: it continues here.",
            )
        context.log(f"playbook {name}: {_counts(result.stats.get(vm.name, {}))}")
    mark = live.mark.with_stage(Stage.READY, provision=work.digest, seed="", host_key=str(live.host_key or ""))
    if mark != live.mark:
        job.remember(vm.name, mark)


def _address(job: Job, name: str, host: str) -> str:
    """Return where another VM of the stack is: as the stack file says, as this run found it, or as its agent says."""
    if job.vms[host].static:
        return job.vms[host].static
    live = job.live.get(host)
    if live is None:
        raise ProvisionFailed(
            f"it uses {host}, which does not exist yet", where=job.where(name), hint="Run pvekit up without --only."
        )
    try:
        return live.address or address_of(job, host)
    except (ApiError, Conflict, GuestNotReady) as error:
        raise ProvisionFailed(
            f"it uses {host}, whose address is not known: {error}",
            where=job.where(name),
            hint=f"Is {host} running? Or give it a static address.",
        ) from error


def _tell(context: Context, event: Event) -> None:
    if event.kind in (Kind.DONE, Kind.FAIL):
        context.log(f"{event.step}: {event.text or 'ok'}")


def _counts(stats: Mapping[str, int]) -> str:
    return f"{stats.get('ok', 0)} ok, {stats.get('changed', 0)} changed"


def inventory_of(job: Job, name: str) -> Inventory:
    """Return the inventory with this one VM."""
    vm, live = job.vms[name], job.live[name]
    host = Host(name, live.address, vm.user, private_key=str(job.key_path), groups=(vm.kind,))
    return Inventory((host,), str(job.known_hosts))


def _revealed(job: Job, value: Any) -> Any:
    if isinstance(value, SecretRef):
        return job.secret(value)
    if isinstance(value, Mapping):
        return {key: _revealed(job, item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_revealed(job, item) for item in value]
    return value


def verify(job: Job, action: Action, context: Context) -> None:
    """Check what the stack file calls ready: every port it names answers."""
    vm, live = job.vms[action.vm], job.live[action.vm]
    for port in vm.ready_ports:
        for _ in range(_PORT_SECONDS):
            if _answers(live.address, port):
                context.log(f"port {port} answers")
                break
            context.sleep(1.0)
        else:
            raise GuestNotReady(
                f"nothing answers on {live.address}:{port}",
                where=job.where(vm.name),
                hint=f"Is the service running? Look: pvekit ssh {vm.name} -- ss -tln",
            )


def _answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5):
            return True
    except OSError:
        return False
