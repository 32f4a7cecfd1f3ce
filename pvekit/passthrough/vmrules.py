"""What a VM's configuration on Proxmox VE means: the rules by which qemu-server reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import HostPci, VmConfig, VmConfigs
from pvekit.passthrough.logs import Log
from pvekit.passthrough.pattern import Pattern

_USUAL = ("memory", "cores", "sockets", "boot", "bootdisk", "ostype", "scsihw", "smbios1", "vmgenid")
_TRUE = frozenset({"1", "on", "yes", "true"})


def in_question(vms: VmConfigs | Missing, target: Target | Missing) -> tuple[VmConfig, ...]:
    """Return the configurations to judge: that of the VM that is meant, else every VM with a passed-through device.

    Domains of libvirt are left out: other rules hold for them.
    """
    if isinstance(vms, Missing):
        return ()
    known = tuple(vm for vm in vms.vms if vm.pve)
    wanted = None if isinstance(target, Missing) else target.vmid
    if wanted is not None:
        meant = tuple(vm for vm in known if vm.vmid == wanted)
        known = meant or tuple(vm for vm in known if vm.vmid is None)
    return tuple(vm for vm in known if vm.hostpci or any(key.startswith("hostpci") for key in vm.pending))


def complete(vm: VmConfig) -> bool:
    """Tell whether this is a configuration as PVE writes it; somebody may have quoted single lines only."""
    return sum(key in vm.values for key in _USUAL) >= 2


def lacks(vm: VmConfig, key: str) -> bool:
    """Tell whether the configuration has no such line, rather than being cut off before it: PVE sorts them by name.

    Few names stand at the end of the alphabet: where ``ostype`` is there, little is cut off.
    """
    return key not in vm.values and complete(vm) and any(other > min(key, "o") for other in vm.values)


def on(value: str | None) -> bool:
    """Tell whether an option is switched on."""
    return value is not None and value.lower() in _TRUE


def off(value: str | None) -> bool:
    """Tell whether an option is switched off explicitly."""
    return value is not None and value.lower() in {"0", "off", "no", "false"}


def options(text: str, default_key: str) -> Mapping[str, str]:
    """Return the parts of a property string: ``q35,viommu=intel`` with ``type`` gives type and viommu."""
    found: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if equals:
            found[name] = value
        elif name:
            found[default_key] = name
    return found


def machine(vm: VmConfig) -> Mapping[str, str]:
    """Return the machine's options; ``type`` is the machine type, missing where PVE takes its own (i440fx)."""
    return options(vm.values.get("machine", ""), "type")


def q35(vm: VmConfig) -> bool:
    """Tell whether the VM has a PCI Express machine type."""
    return "q35" in machine(vm).get("type", "")


def ovmf(vm: VmConfig) -> bool:
    """Tell whether the VM starts with UEFI firmware."""
    return vm.values.get("bios", "") == "ovmf"


def cpu(vm: VmConfig) -> Mapping[str, str]:
    """Return the processor's options; ``cputype`` is the model, kvm64 where none is set."""
    return {"cputype": "kvm64", **options(vm.values.get("cpu", ""), "cputype")}


def vga(vm: VmConfig) -> str:
    """Return the type of the emulated display, "" when none is set."""
    return options(vm.values.get("vga", ""), "type").get("type", "")


def memory(vm: VmConfig) -> int | None:
    """Return the VM's memory in MiB; None when it is not set."""
    text = options(vm.values.get("memory", ""), "current").get("current", "")
    return int(text) if text.isdecimal() else None


def windows(vm: VmConfig) -> bool:
    """Tell whether the VM is set up for Windows."""
    return vm.values.get("ostype", "").startswith(("win", "w2k", "wxp", "wvista"))


def covers(host: str, bdf: Bdf) -> bool:
    """Tell whether an entry of hostpci means a device; PVE compares beginnings, so ``01:00`` means all functions."""
    full = str(bdf)
    return full.startswith((host.lower(), f"0000:{host.lower()}"))


def same_device(one: str, other: str) -> bool:
    """Tell whether two entries of hostpci have a device in common."""
    first, second = (text.lower() if text.count(":") > 1 else f"0000:{text.lower()}" for text in (one, other))
    return first == second or first.startswith(f"{second}.") or second.startswith(f"{first}.")


def given(entry: HostPci, devices: Devices | Missing) -> tuple[Device, ...]:
    """Return the devices that an entry hands over, as far as the listing shows them."""
    if isinstance(devices, Missing):
        return ()
    return tuple(device for device in devices if any(covers(host, device.bdf) for host in entry.addresses))


def at(vm: VmConfig, *keys: str) -> tuple[Line, ...]:
    """Return the lines that set these keys."""
    return tuple(vm.lines[key] for key in keys if key in vm.lines)


def numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a package version: ``8.0.8`` and ``7.4-1`` give (8, 0, 8) and (7, 4, 1)."""
    found = re.match(r"\d+(?:[.-]\d+)*", version)
    return tuple(int(part) for part in re.split(r"[.-]", found.group())) if found else ()


def named(vm: VmConfig) -> str:
    """Return how to speak of a VM."""
    return "the VM" if vm.vmid is None else f"VM {vm.vmid}"


def said(pattern: str | Pattern, *logs: Log | Missing) -> tuple[re.Match[str], Line] | None:
    """Return the first place where one of these logs says something."""
    for log in logs:
        if not isinstance(log, Missing) and (hit := log.first(pattern)) is not None:
            return hit
    return None
