"""What all Linux guests from cloud images have in common: the PVE configuration, the seed, the base playbook."""

from __future__ import annotations

import hashlib
import json
from typing import Any

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
from pvekit.guests._linux import extras
from pvekit.guests._seed import seed_for
from pvekit.model.desired import DesiredVm, Patience, Provisioning
from pvekit.model.stack import Stack, User, Vm

BASE_PLAYBOOK = "base.yml"


def cloud_vm(stack: Stack, vm: Vm) -> DesiredVm:
    """Return the desired state of a Linux VM that is made from a cloud image."""
    macs = macs_of(stack, vm)
    return DesiredVm(
        name=vm.name,
        kind=vm.kind,
        node=vm.node or "auto",
        vmid=vm.vmid,
        config=_config(stack, vm, macs),
        disks=tuple(disk_of(disk, vm.image if index == 0 else None) for index, disk in enumerate(vm.disks)),
        create_only=firmware_volumes(vm),
        iso_storage=vm.iso_storage,
        image_storage=vm.image_storage,
        running=vm.state == "running",
        # Without a disk the image goes nowhere, and no guest would ever read a seed.
        seed=seed_for(stack, vm, macs) if vm.image and vm.disks else None,
        user=vm.user,
        macs=macs,
        static=first_address(vm),
        description=vm.description,
        tags=tags_of(stack, vm),
        pool=vm.pool or "",
        provisioning=provisioning(stack, vm),
        patience=Patience(agent=vm.ready.within_s, cloud_init=vm.ready.within_s, ssh=vm.ready.within_s),
        ready_ports=vm.ready.tcp,
        left=left_keys(vm),
    )


def _config(stack: Stack, vm: Vm, macs: tuple[str, ...]) -> dict[str, str]:
    linux = {
        "ostype": "l26",
        "balloon": str(vm.balloon_mib or 0),
        "agent": "1" if vm.agent else "0",
        "serial0": "socket",
        "rng0": "source=/dev/urandom",
    }
    return own_keys(vm, common(stack, vm, macs) | linux, macs)


def provisioning(stack: Stack, vm: Vm) -> Provisioning:
    """Return what the playbooks are given. Variables that hold secret references go apart and are resolved late."""
    # cloud-init made this account and its sudo rule; its keys may change later.
    owner = {"name": vm.user, "keys": list(vm.ssh_keys)}
    variables: dict[str, Any] = {
        "pvekit_users": [owner, *({k: v for k, v in _user(u).items() if v} for u in vm.users)],
        "pvekit_packages": list(vm.packages),
        "pvekit_updates": vm.updates,
        "pvekit_agent": vm.agent,
    }
    if vm.timezone:
        variables["pvekit_timezone"] = vm.timezone
    more = extras(vm)
    own, secrets = split_secrets(vm.ansible.vars)
    variables |= more.variables | own
    secrets = {**more.secrets, **secrets}
    playbooks = (BASE_PLAYBOOK, *more.playbooks, *vm.ansible.playbooks)
    inputs = [playbooks, variables, secrets]
    # An address by DHCP is known only later, and may change without anything being asked for.
    inputs += [[first_address(stack.vm(name)) for name in more.hosts]] if more.hosts else []
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode()).hexdigest()[:16]
    return Provisioning(playbooks, variables, secrets, digest, more.hosts)


def _user(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "keys": list(user.ssh_keys),
        "sudo": user.sudo,
        "groups": list(user.groups),
        "shell": user.shell,
    }
