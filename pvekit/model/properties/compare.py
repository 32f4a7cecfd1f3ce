"""Compare what we want with what PVE has: only what we named counts, and only its meaning, not its spelling."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.model.properties.agent import Agent
from pvekit.model.properties.base import Property, PropertyInvalid
from pvekit.model.properties.boot import Boot
from pvekit.model.properties.cpu import Cpu
from pvekit.model.properties.disk import Disk, allocation, is_cloudinit, storage_of
from pvekit.model.properties.efidisk import EfiDisk
from pvekit.model.properties.hostpci import HostPci
from pvekit.model.properties.ipconfig import IpConfig
from pvekit.model.properties.machine import Machine
from pvekit.model.properties.memory import Memory
from pvekit.model.properties.net import Net
from pvekit.model.properties.rng import Rng
from pvekit.model.properties.smbios1 import Smbios1
from pvekit.model.properties.sshkeys import SshKeys
from pvekit.model.properties.startup import Startup
from pvekit.model.properties.tags import Tags
from pvekit.model.properties.tpmstate import TpmState
from pvekit.model.properties.usb import Usb
from pvekit.model.properties.vga import Vga
from pvekit.model.units import format_pve_size

_CODECS: dict[str, type[Property]] = {
    "agent": Agent,
    "boot": Boot,
    "cpu": Cpu,
    "efidisk": EfiDisk,
    "hostpci": HostPci,
    "ide": Disk,
    "ipconfig": IpConfig,
    "machine": Machine,
    "memory": Memory,
    "net": Net,
    "rng": Rng,
    "sata": Disk,
    "scsi": Disk,
    "smbios": Smbios1,
    "startup": Startup,
    "tpmstate": TpmState,
    "usb": Usb,
    "vga": Vga,
    "virtio": Disk,
}
_UNNUMBERED = frozenset({"agent", "boot", "cpu", "machine", "memory", "startup", "vga"})
_BOOLEANS = {
    "acpi": "1",
    "autostart": "0",
    "ciupgrade": "1",
    "freeze": "0",
    "kvm": "1",
    "localtime": "0",
    "numa": "0",
    "onboot": "0",
    "protection": "0",
    "tablet": "1",
    "template": "0",
}
_SCALAR_DEFAULTS = {"bios": "seabios", "cores": "1", "sockets": "1", "scsihw": "lsi", "ostype": "other"}
_ONLY_ORDERS = frozenset({"import-from"})
"""Keys that PVE takes as an order and does not keep."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that differs. ``subkey`` is empty for a plain value; ``actual`` None means absent."""

    key: str
    subkey: str
    desired: str
    actual: str | None

    @property
    def name(self) -> str:
        """Return ``scsi0.size`` or ``cores``."""
        return f"{self.key}.{self.subkey}" if self.subkey else self.key


def codec(key: str) -> type[Property] | None:
    """Return the property class of a config key (``scsi0``), None for plain values."""
    name = key.rstrip("0123456789")
    if (name == key) != (name in _UNNUMBERED):
        return None
    return _CODECS.get(name)


def canonical(key: str, value: str) -> str | dict[str, str]:
    """Return the value in one form per meaning: a mapping for property strings, text for the rest.

    PropertyInvalid when the value cannot be read.
    """
    kind = codec(key)
    if kind:
        pairs = kind.parse(value).canonical()
        if kind is Machine:
            pairs["type"] = Machine.parse(value).chipset
        return pairs
    if key == "tags":
        return str(Tags.parse(value))
    if key == "sshkeys":
        return "\n".join(SshKeys.parse(value).keys)
    if key in {"nameserver", "searchdomain"}:
        return " ".join(part for part in re.split(r"[;,\s]+", value) if part)
    if key in _BOOLEANS:
        return "0" if value.lower() in {"0", "off", "no", "false"} else "1"
    return value


def covers(key: str, desired: str, actual: str | None) -> tuple[Difference, ...]:
    """Return what of ``desired`` the ``actual`` value of PVE does not fulfil; empty means that it is covered.

    Subkeys that ``desired`` does not name are PVE's or somebody else's and do not count. A subkey that is absent in
    PVE has PVE's default. ``STORAGE:GIB`` is fulfilled by any volume on that storage, with that size for disks.
    """
    wanted = canonical(key, desired)
    if isinstance(wanted, str):
        return _plain(key, wanted, actual)
    kind = codec(key)
    assert kind  # noqa: S101 -- canonical gave a mapping
    if actual is None and key not in _UNNUMBERED:
        return tuple(Difference(key, name, value, None) for name, value in wanted.items() if name not in _ONLY_ORDERS)
    try:
        have = canonical(key, actual) if actual is not None else {}
    except PropertyInvalid:
        return (Difference(key, "", desired, actual),)
    assert isinstance(have, dict)  # noqa: S101 -- same key, same form
    defaults = kind.defaults() | ({"type": "i440fx"} if kind is Machine else {})
    found: list[Difference] = []
    for name, value in wanted.items():
        if name == "file":
            found.extend(_volume(key, value, have, sized="size" in wanted or kind is not Disk))
        elif name not in _ONLY_ORDERS and have.get(name, defaults.get(name)) != value:
            found.append(Difference(key, name, value, have.get(name)))
    return tuple(found)


def _plain(key: str, wanted: str, actual: str | None) -> tuple[Difference, ...]:
    default = _BOOLEANS.get(key) or _SCALAR_DEFAULTS.get(key)
    try:
        have = default if actual is None else canonical(key, actual)
    except PropertyInvalid:
        have = actual
    return () if have == wanted or (have is None and wanted == "") else (Difference(key, "", wanted, actual),)


def _volume(key: str, wanted: str, have: dict[str, str], *, sized: bool) -> list[Difference]:
    """Compare volumes: an order to allocate or a cloud-init drive by storage, all others by name."""
    actual = have.get("file")
    size = allocation(wanted)
    if size is None and not (is_cloudinit(wanted) and is_cloudinit(actual or "")):
        return [] if wanted == actual else [Difference(key, "file", wanted, actual)]
    found = []
    storage = storage_of(wanted)
    if storage and storage != storage_of(actual or ""):
        found.append(Difference(key, "storage", storage, storage_of(actual or "")))
    if size and not sized and format_pve_size(size) != have.get("size"):
        found.append(Difference(key, "size", format_pve_size(size), have.get("size")))
    return found
