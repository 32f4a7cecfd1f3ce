"""Things done to one VM by hand: restart, snapshot, rollback."""

from __future__ import annotations

import time
from collections.abc import Callable

from pvekit.adapters import pve as api
from pvekit.model.errors import NotFound, TaskFailed
from pvekit.model.event import Emit, Event, Kind
from pvekit.workflows.session import Session
from pvekit.workflows.status import VmState, find

SHUTDOWN_SECONDS = 120


_HINTS = {
    # qemu-server, PVE/QemuConfig.pm __snapshot_check_running and has_feature
    "snapshot feature is not available": "One of its disks cannot be snapshotted: a raw file, a raw device or thick "
    "LVM. Files can: format: qcow2, which pvekit chooses for new disks on such storages.",
}
"""What helps, by PVE's own words."""


def restart(session: Session, name: str, emit: Emit) -> None:
    """Stop the VM (cleanly if the guest answers within two minutes) and start it, so that pending changes apply."""
    state = find(session, name)
    pve, node, vmid = session.pve, state.node, state.vmid
    if state.state == "running":
        _task(session, state, "stop", emit, lambda: api.shutdown(pve, node, vmid, timeout=SHUTDOWN_SECONDS, force=True))
    _task(session, state, "start", emit, lambda: api.start(pve, node, vmid))


def snapshot(session: Session, name: str, snapname: str, emit: Emit, *, ram: bool) -> None:
    """Take a snapshot; with ``ram`` of a running VM's memory too."""
    state = find(session, name)
    pve, node, vmid = session.pve, state.node, state.vmid
    _task(session, state, "snapshot", emit, lambda: api.create_snapshot(pve, node, vmid, snapname, ram=ram))


def rollback(session: Session, name: str, snapname: str, emit: Emit) -> None:
    """Return to a snapshot. Raises NotFound with the names that exist."""
    state = find(session, name)
    pve, node, vmid = session.pve, state.node, state.vmid
    known = [item.name for item in api.snapshots(pve, node, vmid)]
    if snapname not in known:
        raise NotFound(
            f"{name} has no snapshot {snapname}",
            status=0,
            hint=f"It has: {', '.join(known)}" if known else f"Take one: pvekit snapshot {name} NAME",
        )
    _task(session, state, "rollback", emit, lambda: api.rollback(pve, node, vmid, snapname, start_after=True))


def _task(session: Session, state: VmState, title: str, emit: Emit, begin: Callable[[], str]) -> None:
    """Begin a task and wait for its end. Raises TaskFailed."""
    emit(Event(Kind.START, state.vm, title))
    started = time.monotonic()
    with api.TaskPoller(session.pve) as poller:
        upid = begin()
        result = poller.wait(upid, lambda line: emit(Event(Kind.LOG, state.vm, title, line)))
    seconds = time.monotonic() - started
    if not result.ok:
        emit(Event(Kind.FAIL, state.vm, title, result.exitstatus, seconds))
        raise TaskFailed(
            f"{result.exitstatus}\n{result.tail()}".strip(),
            where=f"{state.vm} (VMID {state.vmid}): {title}",
            hint=_HINTS.get(result.exitstatus, f"The whole log is on the node under {upid}"),
        )
    emit(Event(Kind.DONE, state.vm, title, "", seconds))
