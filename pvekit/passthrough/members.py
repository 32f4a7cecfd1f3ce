"""What the members of a device's IOMMU group are: its own functions, bridges, strangers, needs of the host. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.pattern import Pattern

NETWORK = "network"
STORAGE = "storage"
KEYBOARD = "keyboard"
CONSOLE = "console"

NOT_VIABLE = Pattern(r"group (\d+) is not viable")

# Host bridges and PCI-to-PCI bridges: VFIO takes their drivers for harmless, qemu-server skips those with a bus below.
_TRANSPARENT = frozenset({"0600", "0604", "0609"})
_DRIVERLESS = frozenset({"0500", "1300"})
"""Dummy functions and memory: no Linux driver claims them."""
_HARMLESS_DRIVERS = frozenset({"", "pci-stub", "pcieport", "shpchp"})
_PROXMOX_START = Pattern(r"^TASK (?:OK|ERROR)|^kvm: |start failed: (?:QEMU exited|command '/usr/bin/kvm)")


@dataclass(frozen=True)
class Members:
    """One group of the target. ``unclear`` are devices of other slots whose class nothing tells."""

    group: int
    own: tuple[Device, ...]
    strangers: tuple[Device, ...]
    bridges: tuple[Device, ...]
    unclear: tuple[Device, ...]


@dataclass(frozen=True, slots=True)
class Need:
    """What the host loses with a device. ``sure``: the evidence shows that it is in use, or it is the only one."""

    kind: str
    text: str
    line: Line
    sure: bool


def on_vfio(device: Device) -> bool:
    """Return whether a VFIO driver holds the device (vfio-pci or a vendor's variant of it)."""
    driver = (device.driver or "").replace("_", "-")
    return driver == "vfio-pci" or driver.endswith("-vfio-pci")


def blocks(device: Device) -> bool | None:
    """Return whether the device keeps its group from being viable; None when its driver is not known."""
    if device.driver is None:
        return False if device.klass in _DRIVERLESS else None
    return not on_vfio(device) and device.driver not in _HARMLESS_DRIVERS


def transparent(device: Device) -> bool:
    """Return whether the device is a bridge that VFIO does not count."""
    if device.klass in _TRANSPARENT:
        return True
    return device.bridge and not blocks(device)


def target_groups(target: Target, start: StartLog | Missing) -> tuple[int, ...]:
    """Return the target's groups, as listed or as QEMU names them in a message about it."""
    found = [device.group for device in target.functions if device.group is not None]
    if not found and not isinstance(start, Missing):
        found = [int(match.group(1)) for match, line in start.find(NOT_VIABLE) if names(line, target)]
    return tuple(dict.fromkeys(found))


def names(line: Line, target: Target) -> bool:
    """Return whether a line names the target, or no PCI address at all."""
    spoken = re.findall(r"(?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]", line.text)
    known = {str(bdf) for bdf in (*target.bdfs, *(device.bdf for device in target.functions))}
    return not spoken or any(address in known or f"0000:{address}" in known for address in map(str.lower, spoken))


def members(target: Target, devices: Devices, start: StartLog | Missing) -> tuple[Members, ...]:
    """Return the members of every group that the target is in."""
    given = {device.bdf for device in target.functions} | set(target.bdfs)
    slots = {bdf.slot for bdf in given}
    found = []
    for group in target_groups(target, start):
        parts: dict[str, list[Device]] = {"own": [], "strangers": [], "bridges": [], "unclear": []}
        for device in devices.group_of(group):
            if device.bdf in given or (device.bdf.slot in slots and not transparent(device)):
                parts["own"].append(device)
            elif transparent(device):
                parts["bridges"].append(device)
            elif not device.klass:
                parts["unclear"].append(device)
            else:
                parts["strangers"].append(device)
        found.append(Members(group, *(tuple(parts[name]) for name in ("own", "strangers", "bridges", "unclear"))))
    return tuple(found)


def proxmox(kernel: Kernel | Missing, vms: VmConfigs | Missing, start: StartLog | Missing) -> bool:
    """Return whether Proxmox VE starts the VM: it binds the whole group to vfio-pci by itself."""
    if not isinstance(kernel, Missing) and kernel.pve:
        return True
    if not isinstance(vms, Missing) and any(item.key.startswith("hostpci") for vm in vms.vms for item in vm.hostpci):
        return True
    return not isinstance(start, Missing) and start.first(_PROXMOX_START) is not None


def needs(device: Device, devices: Devices, log: KernelLog | Missing, cmdline: Cmdline | Missing) -> Iterator[Need]:
    """Yield what the host loses when this device goes to a VM."""
    if device.klass.startswith("02"):
        yield from _network(device, devices, log)
    if device.klass.startswith("01"):
        yield from _storage(device, devices, log, cmdline)
    if device.klass == "0c03":
        yield from _keyboard(device, log)
    if device.gpu and device.boot_vga and not any(other.gpu and other.bdf != device.bdf for other in devices):
        yield Need(CONSOLE, f"{device.bdf} is the only display of the host", device.line, devices.whole)


def _only(device: Device, devices: Devices, kind: str) -> bool:
    return devices.whole and not any(other.klass.startswith(kind) for other in devices if other.bdf != device.bdf)


def _network(device: Device, devices: Devices, log: KernelLog | Missing) -> Iterator[Need]:
    bdf = re.escape(str(device.bdf))
    if not isinstance(log, Missing):
        interfaces = {match[1] for match, _ in log.find(rf"{bdf} (\w+): (?:renamed from|NIC Link is Up|Link is Up)")}
        for name in sorted(interfaces):
            word = re.escape(name)
            port = log.first(rf"port \d+\({word}\) entered|\(slave {word}\): ")
            if port is not None:
                yield Need(NETWORK, f"{device.bdf} is {name}, a port of the host's bridge or bond", port[1], True)
                return
    if _only(device, devices, "02"):
        yield Need(NETWORK, f"{device.bdf} is the only network card of the host", device.line, True)
    else:
        yield Need(NETWORK, f"{device.bdf} is a network card", device.line, False)


def _storage(
    device: Device, devices: Devices, log: KernelLog | Missing, cmdline: Cmdline | Missing
) -> Iterator[Need]:  # fmt: skip
    if not isinstance(log, Missing):
        disk = log.first(rf"nvme (nvme\d+): pci function {re.escape(str(device.bdf))}")
        roots = [] if isinstance(cmdline, Missing) else [(item.value or "", item.line) for item in cmdline.all("root")]
        if disk is not None:
            name = disk[0][1]
            for root, line in roots:
                if re.match(rf"/dev/{name}n\d", root):
                    yield Need(STORAGE, f"{device.bdf} is {name}, which holds the root file system", line, True)
                    return
            mounted = log.first(rf"\({name}n\d+p?\d*\): mounted filesystem|XFS \({name}n\d+p?\d*\): Mounting")
            if mounted is not None:
                yield Need(STORAGE, f"{device.bdf} is {name}, which the host has mounted", mounted[1], True)
                return
    if _only(device, devices, "01"):
        yield Need(STORAGE, f"{device.bdf} is the only storage controller of the host", device.line, True)
    else:
        yield Need(STORAGE, f"{device.bdf} is a storage controller", device.line, False)


def _keyboard(device: Device, log: KernelLog | Missing) -> Iterator[Need]:
    if not isinstance(log, Missing):
        found = log.first(rf"input: .*[Kk]eyboard.* as /devices/pci\S*/{re.escape(str(device.bdf))}/usb")
        if found is not None:
            yield Need(KEYBOARD, f"{device.bdf} has the keyboard of the host", found[1], True)
            return
    yield Need(KEYBOARD, f"{device.bdf} is a USB controller", device.line, False)
