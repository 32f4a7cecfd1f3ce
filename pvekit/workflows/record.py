"""Records what a plan reads from a cluster, and opens a stack against such a recording: no network, no secret."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.adapters.files import write_atomic
from pvekit.model.desired import DesiredVm
from pvekit.model.errors import ApiError, ImageInvalid, PermissionsMissing, PreflightRefused, PvekitError
from pvekit.model.recording import Recording, from_json, to_json
from pvekit.model.redact import redact
from pvekit.model.stack import Parallel, Stack
from pvekit.workflows.planning import make_plan
from pvekit.workflows.session import Session, read_stack

ABOUT = (
    "What Proxmox VE answered when pvekit planned this stack. Addresses, serial numbers and UUIDs that the stack file "
    "does not name are replaced; no token, ticket or password is in it."
)


def record(session: Session, about: str = ABOUT) -> Recording:
    """Return what planning the stack reads, and what a plan with a few more VMs would read besides.

    Raises what reading the cluster raises; a plan that cannot work is recorded as well.
    """
    with api.Recorder.open(session.pve.endpoint) as recorder:
        # What the plan itself refuses is as good a recording.
        with contextlib.suppress(PreflightRefused, PermissionsMissing, ImageInvalid):
            make_plan(replace(session, pve=recorder))
        for ask in _further(recorder):
            # A refusal is an answer, and recorded as one.
            with contextlib.suppress(ApiError):
                ask()
    answers = redact(recorder.answers, keep=_said(session.stack))
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    return Recording(session.stack.name, today, answers, recorder.refused, about)


def _further(pve: api.Pve) -> Iterator[Callable[[], object]]:
    """Yield the reads that only some plans make, so that the stack file may change a little afterwards."""
    found = api.resources(pve)
    yield partial(api.version, pve)
    yield partial(api.permissions, pve)
    yield partial(api.pci_mappings, pve)
    for node in [row.node for row in found.nodes if row.online]:
        yield partial(api.node_status, pve, node)
        yield partial(api.bridges, pve, node)
        yield partial(api.pci_devices, pve, node)
        yield partial(api.pci_mappings, pve, node)
    for storage in found.storages:
        if "iso" in storage.content and storage.status == "available":
            yield partial(api.content, pve, storage.node, storage.storage, "iso")
    for name in sorted({row.storage for row in found.storages if row.plugintype == "zfspool"}):
        yield partial(api.storage_config, pve, name)
    for row in found.vms:
        if row.kind == "qemu":
            yield partial(api.guest_config, pve, row.node, row.vmid)


def _said(stack: Stack) -> str:
    """Return all that the stack file makes of its VMs, as one text: what is in it may stand in the recording."""
    return "\n".join(_words(guests.desired(stack, vm)) for vm in stack.vms)


def _words(vm: DesiredVm) -> str:
    disks = [text for disk in vm.disks for text in disk.options.values()]
    raw = [text for disk in vm.raw_disks for text in (disk.serial, disk.by_id or "")]
    return "\n".join([*vm.config.values(), *vm.macs, *disks, *raw, vm.description])


def write_recording(path: Path, recording: Recording) -> None:
    """Write a recording to a file. Raises PvekitError when it cannot be written."""
    write_atomic(path, to_json(recording).encode())


def read_recording(path: Path) -> Recording:
    """Return the recording in a file. Raises PvekitError when there is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no text"
        raise PvekitError(
            str(why), where=str(path), hint="Make a recording with: pvekit record STACK -o FILE"
        ) from error
    return from_json(text, str(path))


@contextmanager
def open_recorded(path: Path, recording: Path) -> Iterator[Session]:
    """Open a stack against a recording instead of its host; its secrets are not asked for."""
    stack = read_stack(path)
    found = read_recording(recording)
    host = stack.host
    who = "root@pam!recorded"
    if host is not None and host.token is not None:
        who = host.token.id
    elif host is not None and host.login is not None:
        who = host.login.user
    with api.Replay.of(found, str(recording)) as pve:
        yield Session(stack, path.absolute().parent, pve, Parallel(), who, lab=False, offline=True)
