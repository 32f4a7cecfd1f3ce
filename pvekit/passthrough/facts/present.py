"""The baseline as it would be taken now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough.baseline import BarPlace, Baseline, Given, Held, Known, Span
from pvekit.passthrough.bootdisplay import places
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.iomem import Iomem
from pvekit.passthrough.facts.presentmachine import PresentMachine
from pvekit.passthrough.facts.reserved import ReservedRegions
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.facts.windows import RootWindows
from pvekit.passthrough.pattern import Pattern

_NUMBERS = Pattern(r"[0-9a-f]{4}:[0-9a-f]{4}")


def read(
    machine: PresentMachine, devices: Devices | Missing, iomem: Iomem | Missing, groups: IommuGroups | Missing,
    reserved: ReservedRegions | Missing, windows: RootWindows | Missing, target: Target | Missing,
    vms: VmConfigs | Missing,
) -> Baseline:  # fmt: skip
    """Put it together. Nothing of it is needed: an area that nothing tells is Missing."""
    return replace(
        machine.found,
        windows=_windows(windows),
        groups=_groups(groups),
        reserved=reserved if isinstance(reserved, Missing) else True,
        target=_held(target),
        given=_given(vms),
        whole=not isinstance(devices, Missing) and devices.whole,
        devices=devices if isinstance(devices, Missing) else tuple(_devices(devices, iomem, groups, reserved)),
        lines={**machine.found.lines, **_lines(devices, groups, windows, target)},
    )


def _lines(
    devices: Devices | Missing, groups: IommuGroups | Missing, windows: RootWindows | Missing, target: Target | Missing
) -> dict[str, tuple[Line, ...]]:  # fmt: skip
    found: dict[str, tuple[Line, ...]] = {}
    if not isinstance(windows, Missing):
        found["windows"] = tuple(item.line for item in windows.windows)
    if not isinstance(groups, Missing):
        found |= {f"group {bdf}": (line,) for bdf, line in groups.lines.items()}
    if not isinstance(devices, Missing):
        found |= {f"device {device.bdf}": (device.line,) for device in devices}
    if not isinstance(target, Missing):
        found |= {f"driver {device.bdf}": (device.driver_line,) for device in target.functions}
    return found


def _windows(windows: RootWindows | Missing) -> tuple[Span, ...] | Missing:
    if isinstance(windows, Missing):
        return windows
    return tuple(sorted(Span(item.start, item.end, item.bus) for item in windows.windows))


def _groups(groups: IommuGroups | Missing) -> tuple[tuple[Bdf, ...], ...] | Missing:
    """Return the members of each group without its number, which differs from start to start."""
    if isinstance(groups, Missing):
        return groups
    if not groups.whole:
        return Missing("iommu_groups.txt", "does not list all groups")
    return tuple(sorted(tuple(sorted(members)) for members in groups.members.values() if members))


def _devices(
    devices: Devices, iomem: Iomem | Missing, groups: IommuGroups | Missing, reserved: ReservedRegions | Missing
) -> Iterator[Known]:  # fmt: skip
    for device in devices:
        group = device.group
        if group is None and not isinstance(groups, Missing):
            group = groups.of(device.bdf)
        regions = () if isinstance(reserved, Missing) or group is None else reserved.by_group.get(group, ())
        yield Known(
            device.bdf,
            device.id if _NUMBERS.fullmatch(device.id) else "",
            device.subsystem if _NUMBERS.fullmatch(device.subsystem) else "",
            device.klass,
            device.name[:200],
            device.boot_vga,
            tuple(sorted(Span(item.start, item.end, item.kind) for item in regions if item.kind.startswith("direct"))),
            tuple(BarPlace(bar.number, bar.start, bar.size) for bar in places(device, iomem)) if device.gpu else (),
        )


def _held(target: Target | Missing) -> tuple[Held, ...] | Missing:
    if isinstance(target, Missing):
        return target
    if not target.functions:
        return Missing("lspci.txt", "no listing shows the card that goes to the guest")
    return tuple(_one_held(device) for device in sorted(target.functions, key=lambda device: device.bdf))


def _one_held(device: Device) -> Held:
    driver = Missing("pci_sysfs.txt", "does not tell the driver") if device.driver is None else device.driver
    reset = None if device.sysfs is None else device.sysfs.reset
    unknown = Missing("pci_sysfs.txt", "does not tell how it is reset")
    return Held(device.bdf, driver, unknown if reset is None else reset)


def _given(vms: VmConfigs | Missing) -> tuple[Given, ...] | Missing:
    if isinstance(vms, Missing):
        return vms
    found = [Given(vm.vmid, entry.key, entry.host, entry.mapping) for vm in vms.vms for entry in vm.hostpci]
    return tuple(sorted(found, key=lambda item: (item.vmid or 0, item.key)))
