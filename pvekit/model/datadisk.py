"""Data disks: what the stack file claims of them, and what a look at a machine found on them.

Nothing but Python's own library is needed here, so that the same code decides on this machine, in a plain Ansible run
and for the disks of a host.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHORT_SERIAL = 20
"""QEMU shows a guest no more of a serial number than its last characters, as pvekit attaches a whole disk."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One disk as the stack file names it. ``by_id`` (a name below /dev/disk/by-id) is given for whole disks only."""

    serial: str
    size_bytes: int
    by_id: str | None = None


@dataclass(frozen=True, slots=True)
class PoolClaim:
    """The pool that the disks should hold.

    ``filesystem`` is auto, zfs or btrfs; ``mount`` is where it is mounted; ``create_on`` repeats the serials of disks
    that may be made into a new pool.
    """

    name: str
    layout: str
    filesystem: str
    mount: str
    disks: tuple[Claim, ...]
    create_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sign:
    """A mark of earlier use: who found it (wipefs, blkid, read), on which device, what it is, and where (bytes)."""

    by: str
    on: str
    type: str
    offset: int | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class PoolMember:
    """A disk's own word on the pool it belongs to.

    ``disks`` is how many disks the pool has (0: it does not say), ``members`` their ids where the format names them.
    ``host`` is who used it last, ``exported`` whether it was left in order; both are ZFS's.
    """

    kind: str
    on: str
    name: str
    id: str
    member: str
    disks: int
    members: tuple[str, ...] = ()
    host: str = ""
    exported: bool = False


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """One disk of a machine and everything that was found on it.

    ``holders`` are mappers, arrays and volume groups above it, ``imported`` the ZFS pools that this machine uses it
    for, ``users`` configurations of VMs that name it, ``failed`` the looks that could not be made. ``blank`` says
    whether head and tail hold only zeros (None: not known).
    """

    name: str
    path: str
    serial: str
    size_bytes: int
    read_only: bool = False
    boot: bool = False
    swap: bool = False
    blank: bool | None = None
    by_id: tuple[str, ...] = ()
    partitions: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    signs: tuple[Sign, ...] = ()
    pools: tuple[PoolMember, ...] = ()
    failed: tuple[str, ...] = ()

    @property
    def stable_path(self) -> str:
        """Return a path that names this disk after a restart as well, where there is one."""
        named = [name for name in self.by_id if self.serial and name.endswith(self.serial)]
        return f"/dev/disk/by-id/{min(named, key=len)}" if named else self.path


@dataclass(frozen=True, slots=True)
class Machine:
    """The disks of a host or guest, and which file systems its kernel has. ``failed``: looks that could not be made."""

    disks: tuple[DiskFacts, ...]
    zfs: bool = False
    btrfs: bool = False
    failed: tuple[str, ...] = ()


def read_machine(document: Mapping[str, Any]) -> Machine:
    """Return what the inspection script printed. ValueError when it is not that script's answer."""
    try:
        if document["version"] != 1:
            raise ValueError(f"the inspection speaks version {document['version']}")
        systems = document["filesystems"]
        return Machine(
            disks=tuple(_disk(each) for each in document["disks"]),
            zfs=bool(systems["zfs"]),
            btrfs=bool(systems["btrfs"]),
            failed=tuple(map(str, document["failed"])),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no inspection of disks: {error!r}") from error


def read_claim(document: Mapping[str, Any]) -> PoolClaim:
    """Return the pool as the playbook's variable ``pvekit_nas.pool`` has it. ValueError when a part is missing."""
    try:
        disks = tuple(Claim(str(d["serial"]), int(d["size"]), d.get("by_id")) for d in document["disks"])
        return PoolClaim(
            name=str(document["name"]),
            layout=str(document["layout"]),
            filesystem=str(document.get("filesystem", "auto")),
            mount=str(document["mount"]),
            disks=disks,
            create_on=tuple(map(str, document.get("create_on", ()))),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"pvekit_nas.pool is not complete: {error!r}") from error


def _disk(row: Mapping[str, Any]) -> DiskFacts:
    return DiskFacts(
        name=str(row["name"]),
        path=str(row["path"]),
        serial=str(row["serial"]),
        size_bytes=int(row["size"]),
        read_only=bool(row["read_only"]),
        boot=bool(row["boot"]),
        swap=bool(row["swap"]),
        blank=row["blank"],
        by_id=tuple(row["by_id"]),
        partitions=tuple(row["partitions"]),
        mounts=tuple(row["mounts"]),
        holders=tuple(row["holders"]),
        imported=tuple(row["imported"]),
        users=tuple(row["users"]),
        signs=tuple(_sign(each) for each in row["signs"]),
        pools=tuple(_member(each) for each in row["pools"]),
        failed=tuple(map(str, row["failed"])),
    )


def _sign(row: Mapping[str, Any]) -> Sign:
    return Sign(str(row["by"]), str(row["on"]), str(row["type"]), row.get("offset"), str(row.get("label") or ""))


def _member(row: Mapping[str, Any]) -> PoolMember:
    return PoolMember(
        kind=str(row["kind"]),
        on=str(row["on"]),
        name=str(row["name"]),
        id=str(row["id"]),
        member=str(row["member"]),
        disks=int(row["disks"]),
        members=tuple(row.get("members", ())),
        host=str(row.get("host", "")),
        exported=bool(row.get("exported", False)),
    )
