"""Ways into one VM: SSH, serial console, logs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pvekit.adapters import pve as api
from pvekit.adapters.pve import agent
from pvekit.adapters.sshkeys import parse_host_key, write_known_hosts
from pvekit.model.errors import ApiError, GuestNotReady, PermissionDenied
from pvekit.workflows.places import key_path, known_hosts
from pvekit.workflows.session import Session
from pvekit.workflows.status import VmState, find

if TYPE_CHECKING:
    from pvekit.adapters.pve.terminal import Console

_LOGS = ("/var/log/cloud-init-output.log", "/var/log/cloud-init.log")


def ssh_argv(session: Session, name: str, command: Sequence[str]) -> list[str]:
    """Return the ssh command line for a VM: our key, the pinned host key and no other.

    Raises GuestNotReady when the VM has no address or its host key is not known yet.
    """
    state = _reachable(session, name)
    path = known_hosts(f"{session.stack.name}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_known_hosts(path, [(state.address, 22, parse_host_key(state.host_key))])
    argv = ["ssh", "-i", str(key_path()), "-o", f"UserKnownHostsFile={path}", "-o", "GlobalKnownHostsFile=/dev/null"]
    argv += [
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "UpdateHostKeys=no",
        "-o",
        "IdentitiesOnly=yes",
        f"{state.user}@{state.address}",
    ]
    return [*argv, *(["--", *command] if command else [])]


def _reachable(session: Session, name: str) -> VmState:
    state = running(session, name, address=True)
    if not state.address:
        raise GuestNotReady(
            f"the guest agent of {name} gives no address", hint=f"Look at its console: pvekit console {name}"
        )
    if not state.host_key:
        raise GuestNotReady(
            f"the host key of {name} is not known yet", hint=f"Finish its first boot: pvekit up {session.stack.file}"
        )
    return state


def open_console(session: Session, name: str) -> Console:
    """Return the VM's serial console. Raises GuestNotReady when it does not run."""
    state = running(session, name)
    return api.console(session.pve, state.node, state.vmid)


def guest_log(session: Session, name: str) -> str:
    """Return what cloud-init wrote in the guest, read through the agent. Raises GuestNotReady without an agent."""
    state = running(session, name)
    why = ""
    for path in _LOGS:
        try:
            return agent.read_file(session.pve, state.node, state.vmid, path)
        except PermissionDenied:
            raise
        except ApiError as error:
            why = error.message
            if api.cause(error) is api.Cause.AGENT_SILENT and "failed to open" not in why:
                break
    raise GuestNotReady(
        f"the guest's logs cannot be read: {why}",
        where=f"{name} (VMID {state.vmid})",
        hint=f"Its console shows the boot: pvekit console {name}. PVE's own tasks: pvekit logs {name} --tasks",
    )


def task_log(session: Session, name: str) -> tuple[str, ...]:
    """Return PVE's last tasks for the VM, one line each, newest first."""
    state = find(session, name)
    rows = api.node_tasks(session.pve, state.node, vmid=state.vmid)
    return tuple(
        f"{datetime.fromtimestamp(row.starttime).astimezone():%Y-%m-%d %H:%M:%S}  {row.type:<12} "
        f"{row.exitstatus or 'running':<20} {row.upid}"
        for row in rows
    )


def running(session: Session, name: str, *, address: bool = False) -> VmState:
    """Return a VM that runs. Raises GuestNotReady when it does not."""
    state = find(session, name, address=address)
    if state.state != "running":
        raise GuestNotReady(f"{name} is {state.state}", hint=f"Start it: pvekit up {session.stack.file} --only {name}")
    return state
