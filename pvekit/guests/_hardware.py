"""What every kind's PVE configuration has: tags, network cards, disks, firmware, and the stack file's own keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pvekit.model.desired import DesiredDisk, mac_for
from pvekit.model.mark import stack_tag, vm_tag
from pvekit.model.pcimap import mapping_name
from pvekit.model.properties import Net
from pvekit.model.stack import Disk, Nic, SecretRef, Stack, Vm, VmGpu


def tags_of(stack: Stack, vm: Vm) -> tuple[str, ...]:
    """Return the VM's tags, with those by which pvekit finds it."""
    return tuple(sorted({*vm.tags, stack_tag(stack.name), vm_tag(stack.name, vm.name)}))


def macs_of(stack: Stack, vm: Vm) -> tuple[str, ...]:
    """Return the MAC addresses of the VM's network cards, in order."""
    return tuple(_mac(vm, nic) or mac_for(stack.name, vm.name, index) for index, nic in enumerate(vm.nics))


def _mac(vm: Vm, nic: Nic) -> str | None:
    """Return the MAC address that the stack file gives a card, be it in PVE's own words."""
    given = vm.pve.get(nic.slot)
    found = Net.parse(given).macaddr if given else None
    return found.upper() if found else nic.mac


def first_address(vm: Vm) -> str:
    """Return the first card's static address without its prefix length; empty with DHCP."""
    address = vm.nics[0].address if vm.nics else "none"
    return "" if isinstance(address, str) else str(address.ip)


def common(stack: Stack, vm: Vm, macs: tuple[str, ...]) -> dict[str, str]:
    """Return the settings that have the same meaning for every kind."""
    config = {
        "name": vm.name,
        "cores": str(vm.cores),
        "sockets": str(vm.sockets),
        "cpu": vm.cpu,
        "memory": str(vm.memory_mib),
        "scsihw": "virtio-scsi-single",
        "onboot": "1" if vm.start.auto else "0",
        "protection": "1" if vm.protection else "0",
        "tags": ";".join(tags_of(stack, vm)),
        "boot": f"order={vm.disks[0].slot}" if vm.disks else "",
    }
    # i440fx is PVE's own default and is not written into the configuration.
    if vm.machine == "q35":
        config["machine"] = "q35"
    if vm.firmware == "ovmf":
        config["bios"] = "ovmf"
    if vm.hugepages:
        # PVE gives out huge pages by NUMA node, and takes them for such VMs only.
        config["numa"] = "1"
    start = {"order": vm.start.order, "up": vm.start.up_s, "down": vm.start.down_s}
    startup = ",".join(f"{key}={value}" for key, value in start.items() if value is not None)
    if startup:
        config["startup"] = startup
    config |= {f"hostpci{number}": _card(stack, card) for number, card in enumerate(vm.gpus)}
    return config | {nic.slot: _nic(nic, mac) for nic, mac in zip(vm.nics, macs, strict=True)}


def own_keys(vm: Vm, config: Mapping[str, str], macs: tuple[str, ...]) -> dict[str, str]:
    """Return the settings with what the stack file says under ``pve:``, which wins; empty ones are left out.

    None there means: leave that key as PVE has it.
    """
    found = {**config, **{key: value or "" for key, value in vm.pve.items()}}
    for nic, mac in zip(vm.nics, macs, strict=True):
        # The first boot knows the card by its MAC address, so PVE must not draw one.
        if found[nic.slot] and Net.parse(found[nic.slot]).macaddr is None:
            found[nic.slot] = str(replace(Net.parse(found[nic.slot]), macaddr=mac))
    return {key: value for key, value in found.items() if value}


def left_keys(vm: Vm) -> frozenset[str]:
    """Return the keys that stay as PVE has them."""
    return frozenset(key for key, value in vm.pve.items() if value is None)


def _card(stack: Stack, card: VmGpu) -> str:
    parts = [f"mapping={mapping_name(stack.name, card.name)}", "pcie=1"]
    if not card.rombar:
        parts.append("rombar=0")
    if card.romfile is not None:
        parts.append(f"romfile={card.romfile}")
    if card.primary:
        parts.append("x-vga=1")
    return ",".join(parts)


def _nic(nic: Nic, mac: str) -> str:
    parts = [f"{nic.model}={mac}", f"bridge={nic.bridge}"]
    if nic.firewall:
        parts.append("firewall=1")
    if nic.mtu is not None:
        parts.append(f"mtu={nic.mtu}")
    if nic.vlan is not None:
        parts.append(f"tag={nic.vlan}")
    return ",".join(parts)


def disk_of(disk: Disk, image: str | None) -> DesiredDisk:
    """Return a disk in PVE's terms, made from ``image`` or empty."""
    flags = {"backup": disk.backup, "iothread": disk.iothread, "ssd": disk.ssd}
    options = {key: "1" if value else "0" for key, value in flags.items() if value is not None}
    if disk.discard is not None:
        options["discard"] = "on" if disk.discard else "ignore"
    if disk.cache is not None:
        options["cache"] = disk.cache
    if disk.serial is not None:
        options["serial"] = disk.serial
    return DesiredDisk(disk.slot, disk.storage, disk.size_bytes, image, options, disk.format)


def firmware_volumes(vm: Vm) -> dict[str, str]:
    """Return the volumes of UEFI and TPM. PVE enrols Microsoft's keys of 2023 where its firmware has them."""
    values: dict[str, str] = {}
    if vm.firmware == "ovmf":
        keys = ",pre-enrolled-keys=1" if vm.secure_boot else ",pre-enrolled-keys=0"
        values["efidisk0"] = f"{vm.storage}:1,efitype=4m{keys}"
    if vm.tpm:
        values["tpmstate0"] = f"{vm.storage}:1,version=v2.0"
    return values


def split_secrets(variables: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the variables without any secret in them, and those that hold secret references at any depth."""
    secrets = {key: value for key, value in variables.items() if _holds_secret(value)}
    return {key: value for key, value in variables.items() if key not in secrets}, secrets


def _holds_secret(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_secret(item) for item in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds_secret(item) for item in value)
    return isinstance(value, SecretRef)
