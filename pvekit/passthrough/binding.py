"""Which devices vfio-pci is told to take, by modprobe.d, kernel command line or driver_override. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.parameters import Parameters
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.members import on_vfio
from pvekit.passthrough.pattern import Pattern

_ID = Pattern(r"(?:0x)?([0-9a-fA-F]{1,4}):(?:0x)?([0-9a-fA-F]{1,4})(?::[0-9a-fA-Fx]+){0,4}")

GPU_DRIVERS = frozenset(
    {"nouveau", "nvidia", "nvidiafb", "amdgpu", "radeon", "i915", "xe", "NovaCore", "nova_core", "ast", "bochs-drm"}
)


@dataclass(frozen=True, slots=True)
class WantedId:
    """One entry of vfio-pci's ``ids``. ``id`` is ``vendor:device`` in small letters, "" when it is malformed.

    ``ignored``: it stands where modprobe does not read it. ``option``: from the kernel command line.
    """

    text: str
    id: str
    line: Line
    ignored: bool = False
    option: bool = False


def wanted_ids(modprobe: Modprobe | Missing, cmdline: Cmdline | Missing) -> tuple[WantedId, ...]:
    """Return every entry that somebody wrote down for vfio-pci, also those that have no effect."""
    found: list[WantedId] = []
    if not isinstance(modprobe, Missing):
        for item in modprobe.settings:
            if item.kind == "options" and item.module == "vfio_pci":
                for word in item.words:
                    name, _, value = word.partition("=")
                    if name == "ids":
                        found += _entries(value, item.line, ignored=item.ignored)
    if not isinstance(cmdline, Missing):
        for token in (*cmdline.all("vfio-pci.ids"), *cmdline.all("vfio_pci.ids")):
            found += _entries(token.value or "", token.line, option=True)
    return tuple(found)


def _entries(value: str, line: Line, *, ignored: bool = False, option: bool = False) -> Iterable[WantedId]:
    for text in value.strip("\"'").split(","):
        if text and "$" not in text:
            match = _ID.fullmatch(text)
            name = f"{int(match[1], 16):04x}:{int(match[2], 16):04x}" if match else ""
            yield WantedId(text, name, line, ignored, option)


def bindable(target: Target | Missing) -> tuple[Device, ...]:
    """Return the target's functions that vfio-pci can take; bridges are left alone."""
    return () if isinstance(target, Missing) else tuple(item for item in target.functions if not item.bridge)


def wanted_by(device: Device, ids: Iterable[WantedId]) -> Line | None:
    """Return the line that gives a device to vfio-pci and is read; None when no such line is known."""
    for entry in ids:
        if entry.id and entry.id == device.id.lower() and not entry.ignored:
            return entry.line
    if device.sysfs is not None and device.sysfs.override == "vfio-pci":
        return device.sysfs.line
    return None


def held(device: Device) -> bool:
    """Return whether a driver of the host is known to hold the device."""
    return bool(device.driver) and not on_vfio(device) and device.driver not in {"pci-stub", "pciback", "xen-pciback"}


def blacklisted(modprobe: Modprobe | Missing, cmdline: Cmdline | Missing) -> dict[str, Line]:
    """Return the modules that are kept from loading by themselves, with the line that says so."""
    found: dict[str, Line] = {}
    if not isinstance(modprobe, Missing):
        for item in modprobe.settings:
            never = item.kind == "install" and item.words[:1] in (("/bin/false",), ("/bin/true",))
            if not item.ignored and (item.kind == "blacklist" or never):
                found[item.module] = item.line
    if not isinstance(cmdline, Missing):
        for name in ("modprobe.blacklist", "module_blacklist", "rd.driver.blacklist"):
            for token in cmdline.all(name):
                for word in (token.value or "").split(","):
                    found[word.replace("-", "_")] = token.line
    return found


def same_id(device: Device, devices: Devices) -> tuple[Device, ...]:
    """Return the other devices of the same kind that sit in other slots."""
    return tuple(
        other for other in devices
        if other.bdf.slot != device.bdf.slot and device.vendor and other.id.lower() == device.id.lower()
    )  # fmt: skip


def unsafe_interrupts(
    parameters: Parameters | Missing, modprobe: Modprobe | Missing, cmdline: Cmdline | Missing
) -> tuple[Line, bool] | None:  # fmt: skip
    """Return the line that lets VFIO go on without interrupt remapping, and whether that is in force for sure."""
    name = "allow_unsafe_interrupts"
    if not isinstance(parameters, Missing):
        value = parameters.values.get(f"vfio_iommu_type1.{name}")
        if value is not None:
            return (value[1], True) if value[0] in {"Y", "1"} else None
    if not isinstance(modprobe, Missing):
        option = modprobe.options("vfio_iommu_type1").get(name)
        if option is not None and option[0] in {"1", "Y", "y", ""}:
            return option[1], False
    if not isinstance(cmdline, Missing):
        for token in cmdline.all(f"vfio_iommu_type1.{name}"):
            if token.value in {"1", "Y", "y", None}:
                return token.line, True
    return None
