"""Which privilege a configuration key takes, and which keys PVE gives to nobody but root@pam itself.

Source: qemu-server 9.2, ``API2/Qemu.pm`` (``check_vm_modify_config_perm`` and the tables above it).
"""

from __future__ import annotations

OPTIONS = "VM.Config.Options"
_DISK, _HARDWARE = "VM.Config.Disk", "VM.Config.HWType"
_WORDS = {
    "VM.Config.CPU": ("cores", "cpu", "cpulimit", "cpuunits", "numa", "sockets", "vcpus"),
    "VM.Config.Memory": ("allow-ksm", "balloon", "memory", "shares"),
    _HARDWARE: (
        "acpi",
        "hotplug",
        "kvm",
        "machine",
        "scsihw",
        "smbios1",
        "tablet",
        "vga",
        "watchdog",
        "audio0",
        "rng0",
    ),
    OPTIONS: (
        *("agent", "autostart", "bios", "description", "keyboard", "localtime", "migrate_downtime", "migrate_speed"),
        *("name", "onboot", "ostype", "protection", "startdate", "startup", "tags", "tdf"),
    ),
    _DISK: ("boot", "vmstatestorage"),
    "VM.PowerMgmt": ("freeze",),
}
_BUSES = {
    "numa": "VM.Config.CPU",
    "net": "VM.Config.Network",
    "serial": _HARDWARE,
    "scsi": _DISK,
    "virtio": _DISK,
    "sata": _DISK,
    "efidisk": _DISK,
    "tpmstate": _DISK,
    "ide": _DISK,
    "usb": _HARDWARE,
    "hostpci": _HARDWARE,
}
_OF = {key: privilege for privilege, keys in _WORDS.items() for key in keys}


def privilege_of(key: str) -> str:
    """Return the privilege that changing this configuration key takes; empty when no privilege suffices."""
    return _OF.get(key) or (_BUSES.get(key.rstrip("0123456789"), "") if key[-1:].isdigit() else "")


def root_only(key: str, value: str | None) -> bool:
    """Return whether only root@pam with a ticket may set this; a token of root is refused as well."""
    if key.startswith("serial") and value not in (None, "socket"):
        return True
    return not privilege_of(key)
