"""Compares a VM's disks with what the stack file wants: they are added and grown, never moved, shrunk or removed."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.desired import DesiredDisk, DesiredVm
from pvekit.model.facts import VmFacts
from pvekit.model.plan import Change, Effect
from pvekit.model.properties import Disk, PropertyInvalid, canonical
from pvekit.model.units import MIB, format_pve_size
from pvekit.provision.settings import change, differs, merged

_BUSES = frozenset({"scsi", "virtio", "sata", "ide"})
_FIXED = {"efidisk0": "pre-enrolled-keys", "tpmstate0": "version"}
"""What is decided once, when the volume is made."""

_ROUNDED = 4 * MIB
"""A volume may be larger than asked for by less than this: LVM's extent, the coarsest of the storages' steps."""


@dataclass(frozen=True, slots=True)
class DiskChanges:
    """What differs: ``changed`` goes into the configuration, ``grown`` holds sizes, ``refused`` cannot be done.

    ``notes`` tell what is left for later, or for good.
    """

    changed: tuple[Change, ...]
    grown: tuple[Change, ...]
    refused: tuple[str, ...]
    notes: tuple[str, ...]


def disk_changes(vm: DesiredVm, own: VmFacts) -> DiskChanges:
    """Return what differs in the disks of an existing VM."""
    changed: list[Change] = []
    grown: list[Change] = []
    refused: list[str] = []
    notes: list[str] = []
    for disk in vm.disks:
        now = own.wanted.get(disk.slot)
        if now is None and disk.image is not None:
            refused.append(
                f"{vm.name}: its system disk {disk.slot} is not attached, and a disk is made from an image only "
                f"together with its VM. Attach it again, or remove the VM: pvekit down --only {vm.name}"
            )
        elif now is None:
            changed.append(change(disk.slot, None, disk_text(disk), own))
        elif _is_cd(now):
            refused.append(f"{vm.name}: {disk.slot} holds a CD drive. Choose another slot for the disk")
        else:
            options, sizes = _in_turn(vm.name, disk, own, notes)
            changed += options
            grown += sizes
            refused += _shrunk(vm.name, disk, own)
    changed += [change(key, None, value, own) for key, value in vm.create_only.items() if _needed(key, vm, own)]
    return DiskChanges(tuple(changed), tuple(grown), tuple(refused), (*notes, *_left_alone(vm, own)))


def disk_text(disk: DesiredDisk) -> str:
    """Return a new disk as a person reads it in the plan."""
    source = f" from {disk.image}" if disk.image else ""
    return f"{format_pve_size(disk.size_bytes)} on {disk.storage}{source}"


def _left_alone(vm: DesiredVm, own: VmFacts) -> list[str]:
    """Return what differs and is left alone."""
    notes = []
    for disk in vm.disks:
        now = _read(own.wanted.get(disk.slot, ""))
        if now is not None and now.storage not in (None, disk.storage):
            notes.append(f"{vm.name}: {disk.slot} is on {now.storage}, not on {disk.storage}; disks are not moved")
    for key, part in _FIXED.items():
        wanted, have = _part(key, part, vm.create_only.get(key)), _part(key, part, own.wanted.get(key))
        if wanted is not None and have is not None and wanted != have:
            notes.append(f"{vm.name}: {key} has {part}={have}, not {wanted}; it is decided when the VM is created")
    known = {disk.slot for disk in vm.disks} | _whole(vm, own)
    extra = sorted(
        key for key, value in own.wanted.items() if _bus(key) in _BUSES and key not in known and not _is_cd(value)
    )
    if extra:
        notes.append(f"{vm.name}: {', '.join(extra)} is attached but not in the stack file; it is left alone")
    return notes


def _whole(vm: DesiredVm, own: VmFacts) -> set[str]:
    """Return the slots of disks that are given whole, which the root step looks after."""
    paths = {f"/dev/disk/by-id/{disk.by_id}" for disk in vm.raw_disks}
    found = {key: _read(value) for key, value in own.wanted.items() if _bus(key) in _BUSES}
    return {key for key, read in found.items() if read is not None and read.volume in paths}


def _options(disk: DesiredDisk, now: str, own: VmFacts) -> list[Change]:
    read = _read(now)
    if read is None or read.volume is None:
        return []
    desired = ",".join([read.volume, *(f"{key}={value}" for key, value in sorted(disk.options.items()))])
    after = merged(disk.slot, desired, now)
    # Equal texts differ when PVE holds an order to make a volume, which only others can bring about.
    if after == now or not differs(disk.slot, desired, now):
        return []
    return [change(disk.slot, now, after, own)]


def _in_turn(name: str, disk: DesiredDisk, own: VmFacts, notes: list[str]) -> tuple[list[Change], list[Change]]:
    """Return the changes of options and size that can be made now.

    A change that waits for a restart holds the size that the disk had when it was written, and the restart would set
    it back in the configuration. So a running VM's disk grows first, and never while it has such a change.
    """
    options, sizes = _options(disk, own.wanted[disk.slot], own), _size(disk, own)
    if not sizes or not own.row.running:
        return options, sizes
    if disk.slot in own.pending:
        notes.append(f"{name}: {disk.slot} can grow after the restart that its other changes wait for")
        return options, []
    if any(change.effect is Effect.RESTART for change in options):
        notes.append(f"{name}: {disk.slot} grows first; its other changes are made by the next run")
        return [], sizes
    return options, sizes


def _bytes(disk: DesiredDisk, own: VmFacts) -> int | None:
    """Return the size that the disk has now."""
    read = _read(own.config.get(disk.slot) or own.wanted[disk.slot])
    return read.size if read is not None else None


def _size(disk: DesiredDisk, own: VmFacts) -> list[Change]:
    before = _bytes(disk, own)
    if before is None or before >= disk.size_bytes:
        return []
    return [Change(disk.slot, format_pve_size(before), format_pve_size(disk.size_bytes), Effect.LIVE)]


def _shrunk(name: str, disk: DesiredDisk, own: VmFacts) -> list[str]:
    before = _bytes(disk, own)
    if before is None or before - disk.size_bytes < _ROUNDED:
        return []
    have, want = format_pve_size(before), format_pve_size(disk.size_bytes)
    return [f"{name}: {disk.slot} has {have} and cannot shrink to {want}: PVE only grows disks. Write {have} or more"]


def _needed(key: str, vm: DesiredVm, own: VmFacts) -> bool:
    """Return whether a volume of the firmware has to be made now.

    A VM that runs on UEFI without a disk for its variables was made so by somebody, and stays so.
    """
    if key in own.wanted:
        return False
    return key != "efidisk0" or (own.wanted.get("bios") != "ovmf" and vm.config.get("bios") == "ovmf")


def _read(value: str) -> Disk | None:
    try:
        return Disk.parse(value)
    except PropertyInvalid:
        return None


def _part(key: str, part: str, value: str | None) -> str | None:
    if value is None:
        return None
    try:
        found = canonical(key, value)
    except PropertyInvalid:
        return None
    absent = {"pre-enrolled-keys": "0"}.get(part)
    return found.get(part, absent) if isinstance(found, dict) else None


def _is_cd(value: str) -> bool:
    read = _read(value)
    return read is not None and read.is_cdrom


def _bus(key: str) -> str:
    return key.rstrip("0123456789") if key[-1:].isdigit() else ""
