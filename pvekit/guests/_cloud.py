"""What all Linux guests from cloud images have in common: the PVE configuration, the seed, the base playbook."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pvekit.guests._seed import seed_for
from pvekit.model.desired import DesiredDisk, DesiredVm, Patience, Provisioning, mac_for
from pvekit.model.mark import stack_tag, vm_tag
from pvekit.model.properties import Net
from pvekit.model.stack import Disk, Nic, SecretRef, Stack, User, Vm

BASE_PLAYBOOK = "base.yml"


def cloud_vm(stack: Stack, vm: Vm) -> DesiredVm:
    """Return the desired state of a Linux VM that is made from a cloud image."""
    macs = tuple(_mac(vm, nic) or mac_for(stack.name, vm.name, index) for index, nic in enumerate(vm.nics))
    tags = tuple(sorted({*vm.tags, stack_tag(stack.name), vm_tag(stack.name, vm.name)}))
    first = vm.nics[0].address if vm.nics else "none"
    return DesiredVm(
        name=vm.name,
        kind=vm.kind,
        node=vm.node or "auto",
        vmid=vm.vmid,
        config=_config(vm, macs, tags),
        disks=tuple(_disk(disk, vm.image if index == 0 else None) for index, disk in enumerate(vm.disks)),
        create_only=_create_only(vm),
        iso_storage=vm.iso_storage,
        image_storage=vm.image_storage,
        running=vm.state == "running",
        # Without a disk the image goes nowhere, and no guest would ever read a seed.
        seed=seed_for(stack, vm, macs) if vm.image and vm.disks else None,
        user=vm.user,
        macs=macs,
        static="" if isinstance(first, str) else str(first.ip),
        description=vm.description,
        tags=tags,
        pool=vm.pool or "",
        provisioning=provisioning(vm),
        patience=Patience(agent=vm.ready.within_s, cloud_init=vm.ready.within_s, ssh=vm.ready.within_s),
        ready_ports=vm.ready.tcp,
        left=frozenset(key for key, value in vm.pve.items() if value is None),
    )


def _config(vm: Vm, macs: tuple[str, ...], tags: tuple[str, ...]) -> dict[str, str]:
    config = {
        "name": vm.name,
        "ostype": "l26",
        "cores": str(vm.cores),
        "sockets": str(vm.sockets),
        "cpu": vm.cpu,
        "memory": str(vm.memory_mib),
        "balloon": str(vm.balloon_mib or 0),
        "scsihw": "virtio-scsi-single",
        "agent": "1" if vm.agent else "0",
        "serial0": "socket",
        "rng0": "source=/dev/urandom",
        "onboot": "1" if vm.start.auto else "0",
        "protection": "1" if vm.protection else "0",
        "tags": ";".join(tags),
        "boot": f"order={vm.disks[0].slot}" if vm.disks else "",
    }
    # i440fx is PVE's own default and is not written into the configuration.
    if vm.machine == "q35":
        config["machine"] = "q35"
    if vm.firmware == "ovmf":
        config["bios"] = "ovmf"
    start = {"order": vm.start.order, "up": vm.start.up_s, "down": vm.start.down_s}
    startup = ",".join(f"{key}={value}" for key, value in start.items() if value is not None)
    if startup:
        config["startup"] = startup
    config |= {nic.slot: _nic(nic, mac) for nic, mac in zip(vm.nics, macs, strict=True)}
    # What the stack file says under `pve:` wins; None there means: leave that key as PVE has it.
    config |= {key: value or "" for key, value in vm.pve.items()}
    for nic, mac in zip(vm.nics, macs, strict=True):
        # The seed knows the card by its MAC address, so PVE must not draw one.
        if config[nic.slot] and Net.parse(config[nic.slot]).macaddr is None:
            config[nic.slot] = str(replace(Net.parse(config[nic.slot]), macaddr=mac))
    return {key: value for key, value in config.items() if value}


def _mac(vm: Vm, nic: Nic) -> str | None:
    """Return the MAC address that the stack file gives a card, be it in PVE's own words."""
    given = vm.pve.get(nic.slot)
    found = Net.parse(given).macaddr if given else None
    return found.upper() if found else nic.mac


def _nic(nic: Nic, mac: str) -> str:
    parts = [f"{nic.model}={mac}", f"bridge={nic.bridge}"]
    if nic.firewall:
        parts.append("firewall=1")
    if nic.mtu is not None:
        parts.append(f"mtu={nic.mtu}")
    if nic.vlan is not None:
        parts.append(f"tag={nic.vlan}")
    return ",".join(parts)


def _disk(disk: Disk, image: str | None) -> DesiredDisk:
    flags = {"backup": disk.backup, "iothread": disk.iothread, "ssd": disk.ssd}
    options = {key: "1" if value else "0" for key, value in flags.items() if value is not None}
    if disk.discard is not None:
        options["discard"] = "on" if disk.discard else "ignore"
    if disk.cache is not None:
        options["cache"] = disk.cache
    if disk.serial is not None:
        options["serial"] = disk.serial
    return DesiredDisk(disk.slot, disk.storage, disk.size_bytes, image, options, disk.format)


def _create_only(vm: Vm) -> dict[str, str]:
    values: dict[str, str] = {}
    if vm.firmware == "ovmf":
        keys = ",pre-enrolled-keys=1" if vm.secure_boot else ",pre-enrolled-keys=0"
        values["efidisk0"] = f"{vm.storage}:1,efitype=4m{keys}"
    if vm.tpm:
        values["tpmstate0"] = f"{vm.storage}:1,version=v2.0"
    return values


def provisioning(vm: Vm) -> Provisioning:
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
    secrets = {key: value for key, value in vm.ansible.vars.items() if _holds_secret(value)}
    variables |= {key: value for key, value in vm.ansible.vars.items() if key not in secrets}
    playbooks = (BASE_PLAYBOOK, *vm.ansible.playbooks)
    inputs = json.dumps([playbooks, variables, secrets], sort_keys=True, default=str)
    return Provisioning(playbooks, variables, secrets, hashlib.sha256(inputs.encode()).hexdigest()[:16])


def _user(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "keys": list(user.ssh_keys),
        "sudo": user.sudo,
        "groups": list(user.groups),
        "shell": user.shell,
    }


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, SecretRef)
