"""Every key of a VM's configuration: its parameter, its type in answers, the privilege that changes it."""

from __future__ import annotations

import re
from typing import Any

from pvekit.lab import formats
from pvekit.lab.params import Param, choice, flag, integer, number, text
from pvekit.lab.propstring import Spec, checker
from pvekit.lab.vm import devicespec as dev
from pvekit.lab.vm import drivespec as drive

KEYBOARDS = (
    "de", "de-ch", "da", "en-gb", "en-us", "es", "fi", "fr", "fr-be", "fr-ca", "fr-ch", "hu", "is", "it", "ja",
    "lt", "mk", "nl", "no", "pl", "pt", "pt-br", "sv", "sl", "tr",
)  # fmt: skip
LOCKS = (
    "backup", "clone", "create", "migrate", "rollback", "snapshot", "snapshot-delete", "suspending", "suspended",
)  # fmt: skip
OSTYPES = (
    "other", "wxp", "w2k", "w2k3", "w2k8", "wvista", "win7", "win8", "win10", "win11", "l24", "l26", "solaris",
)  # fmt: skip


def _spec(spec: Spec, **limits: Any) -> Param:
    return text(deep=checker(spec), **limits)


def _numbered(stem: str, count: int, param: Param) -> dict[str, Param]:
    return {f"{stem}{index}": param for index in range(count)}


CONFIG: dict[str, Param] = {
    "acpi": flag(),
    "affinity": text(check=formats.cpuset),
    "agent": _spec(dev.AGENT),
    "allow-ksm": flag(),
    "amd-sev": _spec(dev.SEV),
    "arch": choice("x86_64", "aarch64"),
    "args": text(),
    "audio0": _spec(dev.AUDIO),
    "autostart": flag(),
    "balloon": integer(0),
    "bios": choice("seabios", "ovmf"),
    "boot": _spec(dev.BOOT),
    "bootdisk": text(pattern=r"(ide|sata|scsi|virtio)\d+"),
    "cdrom": _spec(drive.IDE),
    "cicustom": _spec(dev.CICUSTOM),
    "cipassword": text(),
    "citype": choice("configdrive2", "nocloud", "opennebula"),
    "ciupgrade": flag(),
    "ciuser": text(),
    "cores": integer(1),
    "cpu": text(deep=dev.cpu),
    "cpulimit": number(0, 128),
    "cpuunits": integer(1, 262144),
    "description": text(longest=8192),
    "efidisk0": _spec(drive.EFI),
    "freeze": flag(),
    "hookscript": text(check=drive.volume_or_path),
    "hotplug": text(check=formats.hotplug),
    "hugepages": choice("any", "2", "1024"),
    "intel-tdx": _spec(dev.TDX),
    "ivshmem": _spec(dev.IVSHMEM),
    "keephugepages": flag(),
    "keyboard": choice(*KEYBOARDS),
    "kvm": flag(),
    "localtime": flag(),
    "lock": choice(*LOCKS),
    "machine": _spec(dev.MACHINE),
    "memory": _spec(dev.MEMORY),
    "migrate_downtime": number(0),
    "migrate_speed": integer(0),
    "name": text(check=formats.dns_name),
    "nameserver": text(check=formats.address_list),
    "numa": flag(),
    "onboot": flag(),
    "ostype": choice(*OSTYPES),
    "protection": flag(),
    "reboot": flag(),
    "rng0": _spec(dev.RNG),
    "scsihw": choice("lsi", "lsi53c810", "virtio-scsi-pci", "virtio-scsi-single", "megasas", "pvscsi"),
    "searchdomain": text(),
    "shares": integer(0, 50000),
    "smbios1": _spec(dev.SMBIOS, longest=512),
    "smp": integer(1),
    "sockets": integer(1),
    "spice_enhancements": _spec(dev.SPICE),
    "sshkeys": text(check=formats.urlencoded),
    "startdate": text(pattern=r"(now|\d{4}-\d{1,2}-\d{1,2}(T\d{1,2}:\d{1,2}:\d{1,2})?)"),
    "startup": text(check=formats.startup),
    "tablet": flag(),
    "tags": text(check=formats.tags),
    "tdf": flag(),
    "template": flag(),
    "tpmstate0": _spec(drive.TPM),
    "vcpus": integer(1),
    "vga": _spec(dev.VGA),
    "vmgenid": text(pattern=r"(?:[a-fA-F0-9]{8}(?:-[a-fA-F0-9]{4}){3}-[a-fA-F0-9]{12}|[01])"),
    "vmstatestorage": text(check=formats.storage_id),
    "watchdog": _spec(dev.WATCHDOG),
    **_numbered("hostpci", 16, _spec(dev.HOSTPCI)),
    **_numbered("ide", 4, _spec(drive.IDE)),
    **_numbered("ipconfig", 32, _spec(dev.IPCONFIG)),
    **_numbered("net", 32, _spec(dev.NET)),
    **_numbered("numa", 8, _spec(dev.NUMA)),
    **_numbered("parallel", 3, text(pattern=r"/dev/parport\d+|/dev/usb/lp\d+")),
    **_numbered("sata", 6, _spec(drive.SATA)),
    **_numbered("scsi", 31, _spec(drive.SCSI)),
    **_numbered("serial", 4, text(pattern=dev.SERIAL_PATTERN)),
    **_numbered("unused", 256, _spec(drive.UNUSED)),
    **_numbered("usb", 14, _spec(dev.USB)),
    **_numbered("virtio", 16, _spec(drive.VIRTIO)),
    **_numbered("virtiofs", 10, _spec(dev.VIRTIOFS)),
}

ROOT_ONLY = frozenset((
    "args", "hookscript", "affinity", "hugepages", "keephugepages", "ivshmem", "amd-sev",
    "intel-tdx", "vmgenid", "lock",
))  # fmt: skip
"""Keys that only a root@pam ticket may touch."""

CLOUDINIT_KEYS = frozenset(
    ["cicustom", "cipassword", "citype", "ciupgrade", "ciuser", "nameserver", "searchdomain", "sshkeys"]
)
_PRIVILEGES = {
    "VM.Config.CPU": "cores cpu cpulimit cpuunits numa smp sockets vcpus",
    "VM.Config.Memory": "balloon memory shares allow-ksm",
    "VM.Config.HWType": "acpi arch audio0 bios kvm machine rng0 scsihw smbios1 spice_enhancements tablet vga watchdog",
    "VM.Config.Options": (
        "agent autostart bootdisk boot description freeze hotplug keyboard localtime migrate_downtime "
        "migrate_speed name onboot ostype protection reboot startdate startup tags tdf template vmstatestorage"
    ),
    "VM.Config.Disk": "efidisk0 tpmstate0",
}
_BY_KEY = {key: privilege for privilege, keys in _PRIVILEGES.items() for key in keys.split()}
_BY_STEM = {
    "net": "VM.Config.Network",
    "hostpci": "VM.Config.HWType",
    "usb": "VM.Config.HWType",
    "serial": "VM.Config.HWType",
    "parallel": "VM.Config.HWType",
    "virtiofs": "VM.Config.HWType",
    "numa": "VM.Config.CPU",
    "unused": "VM.Config.Disk",
    **dict.fromkeys(drive.COUNTS, "VM.Config.Disk"),
}


def stem(key: str) -> str:
    """Return ``net`` for ``net0``."""
    return re.sub(r"\d+$", "", key)


def privilege(key: str, value: str = "") -> tuple[str, ...]:
    """Return the privileges on the VM of which one is needed to change the key."""
    if key in CLOUDINIT_KEYS or re.fullmatch(r"ipconfig\d+", key):
        return ("VM.Config.Cloudinit", "VM.Config.Network")
    if re.search(r"media=cdrom|^none", value) or key == "cdrom":
        return ("VM.Config.CDROM",)
    if key in _BY_KEY:
        return (_BY_KEY[key],)
    return (_BY_STEM[stem(key)],) if stem(key) in _BY_STEM else ()


def typed(key: str, value: str) -> str | int | float:
    """Return a stored value as PVE's JSON shows it: numbers and booleans as numbers."""
    param = CONFIG.get(key)
    if param is None or param.kind not in {"integer", "boolean", "number"}:
        return value
    if param.kind == "number":
        return float(value) if "." in value else int(value)
    return int(value)
