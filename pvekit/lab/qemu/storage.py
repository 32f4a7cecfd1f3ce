"""A VM's drives: block nodes and the devices they are plugged into."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pvekit.lab.doors import DoorError, VmStart
from pvekit.lab.qemu.values import TRUE, numbered, options

BUSES = ("ide", "sata", "scsi", "virtio")
_VIRTIO_SCSI = frozenset({"virtio-scsi-pci", "virtio-scsi-single"})
_CONTROLLERS = {"lsi": "lsi53c895a", "lsi53c810": "lsi53c810", "megasas": "megasas", "pvscsi": "pvscsi"}
_SATA_PORTS = 6


@dataclass(frozen=True, slots=True)
class Drive:
    """One drive as QEMU sees it. ``path`` is None for an empty CD drive."""

    key: str
    path: Path | None
    cdrom: bool
    pairs: Mapping[str, str]

    @property
    def bus(self) -> str:
        """Return ``ide``, ``sata``, ``scsi`` or ``virtio``."""
        return self.key.rstrip("0123456789")

    @property
    def number(self) -> int:
        """Return the number in the key."""
        return int(self.key[len(self.bus) :])

    @property
    def node(self) -> str:
        """Return the name of the block node."""
        return f"drive-{self.key}"

    def same_device(self, other: Drive) -> bool:
        """Return whether a running VM would notice no difference: other keys concern the API alone."""
        seen = (
            "serial",
            "ssd",
            "ro",
            "discard",
            "cache",
            "detect_zeroes",
            "iothread",
            "aio",
            "wwn",
            "product",
            "vendor",
        )
        return (self.path, self.cdrom) == (other.path, other.cdrom) and all(
            self.pairs.get(key) == other.pairs.get(key) for key in seen
        )


def drive(vm: VmStart, key: str, value: str) -> Drive:
    """Return the drive; DoorError if its volume has no path."""
    pairs = options(value, "file")
    name = pairs.get("file", "none")
    cdrom = pairs.get("media") == "cdrom" or name == "cdrom"
    if name in {"none", "cdrom"}:
        return Drive(key, None, True, pairs)
    path = vm.volumes.get(name) or (Path(name) if name.startswith("/") else None)
    if path is None or not path.exists():
        raise DoorError(f"volume '{name}' does not exist")
    return Drive(key, path, cdrom, pairs)


def drives(vm: VmStart) -> list[Drive]:
    """Return all drives, without EFI variables and TPM state."""
    return [drive(vm, key, value) for bus in BUSES for _, key, value in numbered(vm.config, bus)]


def node(of: Drive) -> dict[str, Any]:
    """Return the block node of a drive that has a medium.

    Without ``cache=`` a flush in the guest does not wait for the host's disk: a lab's disk may be lost when the host
    loses power, and everything is several times faster.
    """
    assert of.path is not None  # noqa: S101 - callers ask for drives with a medium only
    cache = of.pairs.get("cache", "")
    caching = {"direct": cache in {"none", "directsync"}, "no-flush": cache in {"", "unsafe"}}
    read_only = of.cdrom or of.pairs.get("ro", "0") in TRUE
    lower: dict[str, Any] = {
        "driver": "file", "filename": str(of.path), "cache": caching, "read-only": read_only, "discard": "unmap",
        "node-name": f"file-{of.key}",
    }  # fmt: skip
    upper: dict[str, Any] = {
        "driver": "qcow2" if image_format(of) == "qcow2" else "raw", "file": lower, "read-only": read_only,
        "cache": caching, "node-name": of.node,
    }  # fmt: skip
    if of.pairs.get("discard") == "on" and not of.cdrom:
        upper |= {"discard": "unmap", "detect-zeroes": "unmap"}
    return upper


def image_format(of: Drive) -> str:
    """Return ``format=`` or what the file's name says."""
    suffix = of.path.suffix[1:] if of.path else ""
    return of.pairs.get("format") or ("qcow2" if suffix == "qcow2" else "raw")


def device(of: Drive, config: Mapping[str, str], boot_index: int | None) -> dict[str, Any]:
    """Return the device that a drive is."""
    kind, place = _attachment(of, config)
    made: dict[str, Any] = {"driver": kind, "id": of.key, **place}
    if of.path is not None:
        made["drive"] = of.node
    if boot_index is not None:
        made["bootindex"] = boot_index
    if not of.cdrom:
        made["write-cache"] = "off" if of.pairs.get("cache") in {"writethrough", "directsync"} else "on"
        if "serial" in of.pairs:
            made["serial"] = unquote(of.pairs["serial"])
        if of.pairs.get("ssd", "0") in TRUE and of.bus != "virtio":
            made["rotation_rate"] = 1
        if "wwn" in of.pairs and of.bus != "virtio":
            made["wwn"] = of.pairs["wwn"]
    if of.bus == "scsi":
        made |= {"device_id": of.node} | {key: of.pairs[key] for key in ("vendor", "product") if key in of.pairs}
    return made


def _attachment(of: Drive, config: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    if of.bus == "scsi":
        kind = "scsi-cd" if of.cdrom else "scsi-hd"
        if is_virtio_scsi(config):
            return kind, {"bus": "scsihw0.0", "channel": 0, "scsi-id": 0, "lun": of.number}
        return kind, {"bus": "scsihw0.0", "scsi-id": of.number}
    if of.bus == "virtio":
        return "virtio-blk-pci", {}
    kind = "ide-cd" if of.cdrom else "ide-hd"
    if of.bus == "sata":
        return kind, {"bus": f"ahci0.{of.number}"}
    if is_q35(config):  # its built-in controller is AHCI: one device a port
        return kind, {"bus": f"ide.{of.number}", "unit": 0}
    return kind, {"bus": f"ide.{of.number // 2}", "unit": of.number % 2}


def controllers(vm: VmStart) -> Iterable[dict[str, Any]]:
    """Yield the controllers that the drives need.

    ``virtio-scsi-single`` gets one controller for all disks, not one for each: the guest's addresses (0:0:0:N) are
    the same, and disks can come and go without a PCI slot. A virtio-scsi controller is made even without disks.
    """
    numbers = [number for number, _, _ in numbered(vm.config, "scsi")]
    kind = vm.config.get("scsihw", "lsi")
    if kind in _VIRTIO_SCSI:
        yield {"driver": "virtio-scsi-pci", "id": "scsihw0"}
    elif numbers:
        yield {"driver": _CONTROLLERS.get(kind, "lsi53c895a"), "id": "scsihw0"}
        if max(numbers) >= 7:
            raise DoorError(f"scsi{max(numbers)}: the controller {kind} takes scsi0 to scsi6 only")
    sata = [number for number, _, _ in numbered(vm.config, "sata")]
    if sata:
        if max(sata) >= _SATA_PORTS:
            raise DoorError(f"sata{max(sata)} does not exist; there are sata0 to sata{_SATA_PORTS - 1}")
        yield {"driver": "ahci", "id": "ahci0"}


def is_virtio_scsi(config: Mapping[str, str]) -> bool:
    """Return whether SCSI disks are on virtio-scsi, and so can be added and removed live."""
    return config.get("scsihw", "lsi") in _VIRTIO_SCSI


def is_q35(config: Mapping[str, str]) -> bool:
    """Return whether the machine is a q35."""
    return "q35" in options(config.get("machine", "pc"), "type").get("type", "pc")


def as_json(values: Mapping[str, Any]) -> str:
    """Return the JSON form of ``-blockdev`` and ``-device``: no quoting of commas in file names."""
    return json.dumps(values, sort_keys=True)


def node_of(nodes: Iterable[Mapping[str, Any]], path: Path) -> str | None:
    """Return the top node of an image among QEMU's ``query-named-block-nodes``; None if only read or not open."""
    for each in nodes:
        if str(each["node-name"]).startswith("drive-") and not each["ro"] and each.get("file") == str(path):
            return str(each["node-name"])
    return None
