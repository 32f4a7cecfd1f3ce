"""Windows 11 or 10 from its setup CD: UEFI with Secure Boot, TPM, virtio drivers, guest agent, SSH, RDP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from pvekit.guests._hardware import (
    common,
    disk_of,
    firmware_volumes,
    first_address,
    left_keys,
    macs_of,
    own_keys,
    split_secrets,
    tags_of,
)
from pvekit.model.desired import DesiredInstall, DesiredVm, Patience, Provisioning
from pvekit.model.stack import Disk, Stack, Vm, Windows


def desired(stack: Stack, vm: Vm) -> DesiredVm:
    """Return the VM as Windows wants it."""
    windows = vm.windows
    assert windows is not None and vm.image is not None  # noqa: S101, PT018 - held by the stack's checks
    macs = macs_of(stack, vm)
    patience = windows.patience
    return DesiredVm(
        name=vm.name,
        kind=vm.kind,
        node=vm.node or "auto",
        vmid=vm.vmid,
        config=own_keys(vm, common(stack, vm, macs) | _config(windows), macs),
        disks=tuple(disk_of(_with_defaults(disk), None) for disk in vm.disks),
        create_only=firmware_volumes(vm),
        iso_storage=vm.iso_storage,
        image_storage=vm.image_storage,
        running=vm.state == "running",
        seed=None,
        user=vm.user,
        macs=macs,
        static=first_address(vm),
        description=vm.description,
        tags=tags_of(stack, vm),
        pool=vm.pool or "",
        provisioning=_provisioning(vm),
        patience=Patience(agent=patience.agent_s, cloud_init=patience.done_s, ssh=patience.ssh_s),
        ready_ports=vm.ready.tcp,
        left=left_keys(vm),
        notes=_notes(vm.name, windows),
        install=DesiredInstall(vm.image, vm),
    )


def _config(windows: Windows) -> dict[str, str]:
    return {
        "ostype": f"win{windows.release}",
        # Windows slows down when the host takes memory back.
        "balloon": "0",
        "agent": "1",
        "vga": "std",
    }


def _with_defaults(disk: Disk) -> Disk:
    """Return a disk as Windows likes it where the stack file does not say otherwise."""
    if not disk.slot.startswith("scsi"):
        return disk
    given = (disk.iothread, disk.discard, disk.ssd)
    iothread, discard, ssd = (True if value is None else value for value in given)
    return replace(disk, iothread=iothread, discard=discard, ssd=ssd)


def _provisioning(vm: Vm) -> Provisioning:
    """Return the person's own playbooks: what pvekit itself sets up in Windows, its answer CD does."""
    variables, secrets = split_secrets(vm.ansible.vars)
    inputs = json.dumps([vm.ansible.playbooks, variables, secrets], sort_keys=True, default=str)
    return Provisioning(vm.ansible.playbooks, variables, secrets, hashlib.sha256(inputs.encode()).hexdigest()[:16])


def _notes(name: str, windows: Windows) -> tuple[str, ...]:
    if windows.release > 10:
        return ()
    return (f"{name}: Windows 10 gets no security updates since October 2025; choose release: 11 where you can",)
