"""How far passthrough demonstrably came: positive evidence only."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.model.finding import Layer
from pvekit.model.missing import Missing
from pvekit.passthrough.facts import Facts
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import GPU_CLASSES, Device, Devices
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.guestdevices import EMULATED, GuestDevices
from pvekit.passthrough.facts.guestdriver import GuestDriver
from pvekit.passthrough.facts.guestlog import GuestLog
from pvekit.passthrough.facts.iommu import IommuClass
from pvekit.passthrough.facts.kernel import Kernel
from pvekit.passthrough.facts.kernellog import KernelLog
from pvekit.passthrough.facts.pveversion import PveVersion
from pvekit.passthrough.facts.startlog import StartLog
from pvekit.passthrough.facts.target import Target
from pvekit.passthrough.facts.vmconf import VmConfigs
from pvekit.passthrough.lspcitext import class_of
from pvekit.passthrough.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Reached:
    """Every layer before ``rank`` was seen to work. ``healthy``: nothing more has to be shown for a good verdict."""

    rank: int
    healthy: bool
    why: str


NOTHING = Reached(0, False, "")
_COMPLAINT = Pattern(
    r"NVRM: .*(?:is 0M|RmInitAdapter failed|rm_init_adapter failed|fallen off|Xid|cannot|[Ff]ailed|invalid)"
    r"|amdgpu.*(?:\*ERROR\*|[Ff]ailed|failed|Fatal|timeout)|atombios stuck|no space|can't assign|Unknown header type",
    re.IGNORECASE,
)
_DRIVEN = Pattern(r"\[drm\] Initialized (?:amdgpu|nvidia-drm|nouveau|radeon|i915|xe) .*for [0-9a-f]{4}:")
_REFUSED = Pattern(r"NVRM:.*installed in this system is(?:\s|NVRM:)*(?:not\s+supported|supported through)")
_REMAPPED = r"Enabled IRQ remapping in|AMD-Vi: Interrupt remapping enabled"
_VFIO = r"vfio|hostpci"
_MADE_UP = Pattern(r"\b(?:QXL|Virtio|VMware|Bochs|Cirrus|Hyper-V|VirtualBox|QEMU|Device 1111)\b", re.IGNORECASE)
_TROUBLE = Pattern(
    r"fail|error|can't|cannot|not ready|invalid|unable|refused|stuck|timed? ?out|inaccessible|not viable", re.IGNORECASE
)
_ROM_BAR = Pattern(r"\b(?:BAR 6|ROM) ?(?:\[|: (?:\[|no space|failed to assign|can't assign))")
_BINDABLE = frozenset({"", "vfio-pci", "pci-stub"})


def reached(facts: Facts) -> Reached:
    """Return how far it came."""
    ways = (_guest_driver(facts), _guest_log(facts), _guest_devices(facts), _started(facts))
    found = next((way for way in ways if way is not None), NOTHING)
    if found.healthy:
        return found
    host = _host(facts)
    return found if host is None else Reached(found.rank, True, found.why or host)


def _guest_driver(facts: Facts) -> Reached | None:
    driver = facts.get(GuestDriver)
    if isinstance(driver, Missing) or not driver.works:
        return None
    return Reached(Layer.GUEST.rank, True, "the driver in the guest works with the card")


def _guest_log(facts: Facts) -> Reached | None:
    log = facts.get(GuestLog)
    if isinstance(log, Missing):
        return None
    if log.first(_REFUSED):
        return Reached(Layer.GUEST.rank, False, "the driver in the guest reads the card and refuses it")
    if log.first(_DRIVEN) and not log.first(_COMPLAINT):
        return Reached(Layer.GUEST.rank, False, "the driver in the guest has set the card up")
    if log.first(r"NVRM: |amdgpu [0-9a-f]{4}:"):
        return Reached(Layer.FRAMEBUFFER.rank, False, "the driver in the guest speaks of the card")
    return None


def _guest_devices(facts: Facts) -> Reached | None:
    """Return what the guest's lspci shows.

    Its BARs are given out by its own firmware: they tell that the VM has the card, not that the host's are free.
    """
    guest = facts.get(GuestDevices)
    if isinstance(guest, Missing):
        return None
    cards = [
        entry for entry in guest.devices.values()
        if (entry.klass or class_of(entry.class_name)) in GPU_CLASSES and entry.vendor not in EMULATED
        and (entry.vendor or entry.name) and not entry.broken
    ]  # fmt: skip
    if not any(entry.vendor or not _MADE_UP.search(entry.name) for entry in cards):
        return None
    return Reached(Layer.FRAMEBUFFER.rank, False, "the guest has the card")


def _started(facts: Facts) -> Reached | None:
    """Return that the VM started with the device, if it has one."""
    start = facts.get(StartLog)
    if isinstance(start, Missing) or not start.started:
        return None
    vms = facts.get(VmConfigs)
    given = isinstance(vms, Missing) or any(vm.hostpci or "vfio" in vm.values.get("args", "") for vm in vms.vms)
    if not given and not start.first(_VFIO):
        return None
    return Reached(Layer.FRAMEBUFFER.rank, False, "the VM starts with the device")


def _host(facts: Facts) -> str | None:
    """Return why the host alone shows that all is ready; None when it does not."""
    devices, groups, target = facts.get(Devices), facts.get(IommuGroups), facts.get(Target)
    if isinstance(devices, Missing) or isinstance(target, Missing) or not target.functions:
        return None
    if not _translates(facts, groups) or not _remaps(facts):
        return None
    if _complaints(facts, target):
        return None
    if not all(_clean(device, target, devices, groups) for device in target.functions):
        return None
    if not all(_free(facts, device) and _has_rom(facts, device) for device in target.functions):
        return None
    return "the IOMMU translates, the card has a group of its own and nothing else holds it"


def _complaints(facts: Facts, target: Target) -> bool:
    """Return whether a start, the host's kernel or the guest complains of the device, for whatever reason."""
    start, log, guest = facts.get(StartLog), facts.get(KernelLog), facts.get(GuestLog)
    driver, inside = facts.get(GuestDriver), facts.get(GuestDevices)
    if not isinstance(start, Missing) and (
        start.started is False or (start.started is None and start.first(_TROUBLE) is not None)
    ):
        return True
    if not isinstance(guest, Missing) and guest.first(_COMPLAINT):
        return True
    if not isinstance(driver, Missing) and driver.works is False:
        return True
    if not isinstance(inside, Missing) and inside.whole and _guest_devices(facts) is None:
        return True
    names = {str(device.bdf) for device in target.functions}
    return not isinstance(log, Missing) and any(
        any(name in entry.text for name in names) and _TROUBLE.search(entry.text) and not _ROM_BAR.search(entry.text)
        for entry in log.entries
    )


def _has_rom(facts: Facts, device: Device) -> bool:
    """Return False for a display card that is seen to have no ROM, unless its VM is given one."""
    if device.klass != "0300" or device.sysfs is None or device.sysfs.rom != 0:
        return True
    vms = facts.get(VmConfigs)
    return not isinstance(vms, Missing) and any(
        entry.covers(device.bdf) and entry.options.get("romfile") for vm in vms.vms for entry in vm.hostpci
    )


def _translates(facts: Facts, groups: IommuGroups | Missing) -> bool:
    iommu = facts.get(IommuClass)
    if not isinstance(iommu, Missing):
        return bool(iommu.names)
    return not isinstance(groups, Missing) and bool(groups.members)


def _remaps(facts: Facts) -> bool:
    cmdline = facts.get(Cmdline)
    if not isinstance(cmdline, Missing) and (cmdline.words("intremap") & {"off"} or cmdline.all("nointremap")):
        return False
    log = facts.get(KernelLog)
    return isinstance(log, Missing) or not log.whole or log.first(_REMAPPED) is not None


def _clean(device: Device, target: Target, devices: Devices, groups: IommuGroups | Missing) -> bool:
    """Return whether the group holds only the card, functions of its slot and bridges, as far as all of it is known."""
    if device.group is None or isinstance(groups, Missing) or not (groups.whole or groups.listed):
        return False
    slots = {item.bdf.slot for item in target.functions}
    members = {item.bdf for item in devices.group_of(device.group)}
    members |= set(groups.members.get(device.group, ()))
    return all(bdf.slot in slots or ((item := devices.by_bdf.get(bdf)) is not None and item.bridge) for bdf in members)


def _free(facts: Facts, device: Device) -> bool:
    """Return whether vfio-pci has it, or PVE can take it at the VM's start: not the console, not in use."""
    if device.driver == "vfio-pci":
        return True
    if device.driver is None or not _is_pve(facts) or device.boot_vga:
        return False
    return device.driver in _BINDABLE or not device.gpu


def _is_pve(facts: Facts) -> bool:
    kernel, version = facts.get(Kernel), facts.get(PveVersion)
    return not isinstance(version, Missing) or (not isinstance(kernel, Missing) and kernel.pve)
