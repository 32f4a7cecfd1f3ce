"""Whether the whole host was looked at, and nothing there has to do with passing devices through."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.missing import Missing
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Devices
from pvekit.passthrough.facts.modprobe import Modprobe
from pvekit.passthrough.facts.sources import Sources

_WHOLE = frozenset({"dmesg.txt", "cmdline.txt", "lsmod.txt", "uname.txt", "iommu_groups.txt"})
"""What a look at the whole host holds; reports of people never have all of it."""
_VMS = frozenset({"vm.conf", "vms/", "task.log", "qemu.log", "libvirt.log", "pveversion.txt", "showcmd.txt"})


@dataclass(frozen=True, slots=True)
class Looked:
    """``nothing``: no VM, and neither modprobe.d nor command line nor modules speak of vfio."""

    nothing: bool


def read(devices: Devices, modprobe: Modprobe, cmdline: Cmdline, sources: Sources) -> Looked | Missing:
    """Find out; Missing when the bundle is not full enough to say that something is not there."""
    roles = sources.roles
    drivers = "pci_sysfs.txt" in roles or all(device.driver is not None for device in devices)
    if not devices.whole or not drivers or _WHOLE - roles.keys():
        return Missing("bundle", "the host was not looked at as a whole")
    words = [setting.module for setting in modprobe.settings]
    words += [token.name.replace("-", "_") for token in cmdline.tokens]
    said = any(word.startswith("vfio") for word in words) or any("vfio_pci" in line.text for line in roles["lsmod.txt"])
    return Looked(not said and not _VMS & roles.keys())
