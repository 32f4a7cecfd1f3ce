"""Which of PVE's own settings may stand under ``pve:``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pvekit.model.errors import Problem
from pvekit.model.properties import PropertyInvalid, canonical
from pvekit.model.stack.problems import nearest
from pvekit.model.stack.text import Document, Path

_PLAIN = frozenset(
    {
        *("acpi", "affinity", "agent", "allow-ksm", "amd-sev", "arch", "args", "autostart", "balloon", "boot", "cpu"),
        *("cpulimit", "cpuunits", "freeze", "hookscript", "hotplug", "hugepages", "intel-tdx", "ivshmem"),
        *(
            "keephugepages",
            "keyboard",
            "kvm",
            "localtime",
            "machine",
            "migrate_downtime",
            "migrate_speed",
            "name",
            "numa",
        ),
        *("ostype", "scsihw", "shares", "smbios1", "spice_enhancements", "startdate", "tablet", "tdf", "vcpus", "vga"),
        *("vmgenid", "vmstatestorage", "watchdog"),
    }
)
_NUMBERED = frozenset({"audio", "net", "numa", "parallel", "rng", "serial", "virtiofs"})
_OWN_FIELD = {
    "bios": "firmware",
    "cores": "cores",
    "description": "description",
    "efidisk": "firmware: ovmf",
    "hostpci": "gpus",
    "ide": "disks",
    "memory": "memory",
    "onboot": "start.auto",
    "protection": "protection",
    "sata": "disks",
    "scsi": "disks",
    "sockets": "sockets",
    "startup": "start",
    "tags": "tags",
    "tpmstate": "tpm",
    "virtio": "disks",
}
_NOT_YET = {"usb": "passing USB devices through"}


def check_pve(document: Document, values: dict[str, Any] | None, path: Path) -> Iterator[Problem]:
    """Yield a problem for every key or value that cannot stand under ``pve:``."""
    for key, value in (values or {}).items():
        at = (*path, key)
        name = key.rstrip("0123456789")
        if key in _PLAIN or (name != key and name in _NUMBERED):
            yield from _value(document, key, value, at)
        elif name in _NOT_YET:
            text = f"this version of pvekit cannot do it yet ({_NOT_YET[name]})"
            yield document.problem(at, text, "Remove the key, or use a later version.", at_key=True)
        elif name in _OWN_FIELD:
            text = f"{key} has a field of its own"
            yield document.problem(at, text, f"Use {_OWN_FIELD[name]}.", at_key=True)
        else:
            hint = nearest(key, _PLAIN, otherwise="Write a key of PVE's VM configuration, such as scsihw.")
            yield document.problem(at, f"{key!r} is not a setting of a VM", hint, at_key=True)


def _value(document: Document, key: str, value: object, path: Path) -> Iterator[Problem]:
    if value is None:
        return
    if isinstance(value, (dict, list, float)):
        yield document.problem(path, "this is not one of PVE's values", "Put it in quotes, as PVE writes it.")
        return
    text = str(int(value)) if isinstance(value, bool) else str(value)
    if not text or not text.isprintable():
        yield document.problem(path, "this is empty or holds line ends", "Write the value as PVE does, or null.")
        return
    try:
        canonical(key, text)
    except PropertyInvalid as error:
        yield document.problem(path, f"PVE would not take it: {error}", "Write it as in PVE's configuration file.")
