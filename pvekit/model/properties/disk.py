"""``scsi0``, ``sata0``, ``ide0``, ``virtio0`` ...: a disk or CD drive."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, INT, SIZE, URL, Property, key
from pvekit.model.units import GIB

_ALLOCATE = re.compile(r"(?:(?P<storage>[^/:\s]+):)?(?P<gib>[0-9]+(?:\.[0-9]+)?)")
_CLOUDINIT = re.compile(r"(?P<storage>[^/:\s]+):(?:[0-9]+/)?(?:vm-[0-9]+-)?cloudinit(?:\.[a-z0-9]+)?")


@dataclass(frozen=True, slots=True)
class Disk(Property):
    """``local-lvm:vm-100-disk-0,discard=on,size=20G``.

    ``volume`` is a volume ID, ``none``, an absolute path, or an order to allocate, ``STORAGE:GIB``. ``size`` is in
    bytes and informative: PVE takes it from the volume.
    """

    DEFAULT_KEY: ClassVar[str | None] = "file"
    ALIASES: ClassVar[dict[str, str]] = {"volume": "file"}

    volume: str | None = key("file")
    import_from: str | None = key("import-from")
    media: str | None = key("media", default="disk")
    size: int | None = key("size", SIZE)
    format: str | None = key("format")
    cache: str | None = key("cache", default="none")
    aio: str | None = key("aio", default="io_uring")
    discard: str | None = key("discard", default="ignore")
    ssd: bool | None = key("ssd", BOOL, default="0")
    iothread: bool | None = key("iothread", BOOL, default="0")
    backup: bool | None = key("backup", BOOL, default="1")
    replicate: bool | None = key("replicate", BOOL, default="1")
    shared: bool | None = key("shared", BOOL, default="0")
    snapshot: bool | None = key("snapshot", BOOL, default="0")
    ro: bool | None = key("ro", BOOL, default="0")
    serial: str | None = key("serial", URL)
    model: str | None = key("model", URL)
    wwn: str | None = key("wwn")
    queues: int | None = key("queues", INT)
    rerror: str | None = key("rerror")
    werror: str | None = key("werror")

    @property
    def storage(self) -> str | None:
        """Return the storage's name, or None for ``none``, ``cdrom`` and absolute paths."""
        return storage_of(self.volume or "")

    @property
    def allocates_bytes(self) -> int | None:
        """Return how much a ``STORAGE:GIB`` order allocates, None when ``volume`` is no such order."""
        return allocation(self.volume or "")

    @property
    def is_cdrom(self) -> bool:
        """Return whether it is a CD drive (cloud-init drives included)."""
        return self.media == "cdrom" or is_cloudinit(self.volume or "")


def storage_of(volume: str) -> str | None:
    """Return the storage in a volume ID or allocation order."""
    storage, colon, _rest = volume.partition(":")
    return storage if colon and not volume.startswith("/") else None


def allocation(volume: str) -> int | None:
    """Return the bytes that ``STORAGE:GIB`` asks for, None when it is a real volume."""
    match = _ALLOCATE.fullmatch(volume)
    return round(float(match["gib"]) * GIB) if match else None


def is_cloudinit(volume: str) -> bool:
    """Return whether it is PVE's own cloud-init drive, asked for or allocated."""
    return _CLOUDINIT.fullmatch(volume) is not None


parse = Disk.parse
