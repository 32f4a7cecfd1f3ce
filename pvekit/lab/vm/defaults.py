"""What PVE adds to a configuration by itself: identities, MAC addresses, boot order, pinned machines, sorted tags."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Mapping

from pvekit.lab import formats
from pvekit.lab.propstring import build, split
from pvekit.lab.settings import QEMU_VERSION
from pvekit.lab.vm.devicespec import MACHINE, NET, SMBIOS
from pvekit.lab.vm.drives import drives
from pvekit.lab.vm.passwords import kept

MAC_PREFIX = "BC:24:11"
_MACHINE_VERSION = ".".join(QEMU_VERSION.split(".")[:2])
_BUS_ORDER = {"ide": 0, "scsi": 1, "virtio": 2, "sata": 3}


def new_mac() -> str:
    """Return a random address under PVE's prefix."""
    return MAC_PREFIX + "".join(f":{byte:02X}" for byte in secrets.token_bytes(3))


def with_mac(text: str, old: str = "") -> str:
    """Return a network card's text with a MAC: its own, else that of the card before the change, else a new one."""
    values = split(NET, text)
    if "macaddr" not in values:
        values["macaddr"] = split(NET, old).get("macaddr", new_mac()) if old else new_mac()
    values["macaddr"] = values["macaddr"].upper()
    return build(NET, values)


def sorted_tags(text: str) -> str:
    """Return the tags as PVE keeps them: lower case, once each, sorted."""
    return ";".join(sorted({tag.lower() for tag in formats.words(text)}))


def normal(key: str, value: str, old: str = "", config: Mapping[str, str] | None = None) -> str:
    """Return a value as PVE stores it; ``old`` is the value before, ``config`` all of the VM."""
    if re.fullmatch(r"net\d+", key):
        return with_mac(value, old)
    if key == "tags":
        return sorted_tags(value)
    if key == "cipassword":
        return kept(value, config or {})
    if key == "vmgenid" and value == "1":
        return str(uuid.uuid4())
    return value


def identity() -> dict[str, str]:
    """Return the keys every new VM gets."""
    return {
        "smbios1": f"uuid={uuid.uuid4()}",
        "vmgenid": str(uuid.uuid4()),
        "meta": f"creation-qemu={QEMU_VERSION},ctime={int(time.time())}",
    }


def fresh_smbios(text: str) -> str:
    """Return an smbios1 text with a new UUID, for a clone."""
    return build(SMBIOS, {**split(SMBIOS, text), "uuid": str(uuid.uuid4())})


def boot_order(config: Mapping[str, str]) -> str:
    """Return the boot order for a VM that was given none: first disk, first CD, first network card."""
    plain = [drive for drive in drives(config) if drive.key[:3] not in {"efi", "tpm"}]
    plain.sort(key=lambda drive: _rank(drive.key))
    disks = [drive.key for drive in plain if not drive.is_cdrom]
    cds = [drive.key for drive in plain if drive.is_cdrom and not drive.is_cloudinit]
    cards = sorted((key for key in config if re.fullmatch(r"net\d+", key)), key=lambda key: int(key[3:]))
    names = disks[:1] + cds[:1] + cards[:1]
    return f"order={';'.join(names)}" if names else " "


def _rank(key: str) -> tuple[int, int]:
    match = re.fullmatch(r"([a-z]+)(\d+)", key)
    return (_BUS_ORDER.get(match[1], 9), int(match[2])) if match else (9, 0)


def pinned_machine(config: Mapping[str, str]) -> str | None:
    """Return the machine with its version for a Windows guest, None where PVE pins nothing."""
    if not config.get("ostype", "").startswith("w"):
        return None
    values = split(MACHINE, config.get("machine", "pc"))
    kind = values.get("type", "pc")
    if kind not in {"pc", "q35"}:
        return None
    values["type"] = f"pc-{'q35' if kind == 'q35' else 'i440fx'}-{_MACHINE_VERSION}+pve1"
    return build(MACHINE, values)
