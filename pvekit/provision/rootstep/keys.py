"""Compares the keys of a VM that PVE takes from root only: pinning, huge pages, disks given whole. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pvekit.model.desired import DesiredVm
from pvekit.model.facts import VmFacts
from pvekit.model.nodelook import NodeLook
from pvekit.model.plan import Action, Change, Verb
from pvekit.model.properties import Disk, PropertyInvalid
from pvekit.model.stack.home import PoolDisk
from pvekit.model.stack.values import Vm
from pvekit.provision.rootstep.files import Found, action_id
from pvekit.provision.rootstep.todo import Keys
from pvekit.provision.settings import change, differs, merged

BY_ID = "/dev/disk/by-id/"
SERIAL_LENGTH = 20
"""QEMU's virtio disks show no more of a serial number; its end is what differs between disks of one make."""
_SLOTS = tuple(f"scsi{number}" for number in range(31))


@dataclass(frozen=True, slots=True)
class Whole:
    """A disk of the node that is to be attached to a VM and is not yet."""

    vm: str
    node: str
    disk: PoolDisk


def drive_serial(serial: str) -> str:
    """Return what a VM sees of a disk's serial number."""
    return serial[-SERIAL_LENGTH:]


def raw_value(disk: PoolDisk) -> str:
    """Return the property string that attaches a whole disk: not backed up, not replicated."""
    return f"{BY_ID}{disk.by_id},backup=0,replicate=0,serial={drive_serial(disk.serial)}"


def compare_keys(vm: Vm, wanted: DesiredVm, own: VmFacts | None, found: Found) -> list[Whole]:
    """Add what differs, and return the whole disks that are not attached yet."""
    held = own.wanted if own is not None else {}
    managed = frozenset(own.mark.root.split(",")) if own is not None and own.mark is not None else frozenset()
    for key, value in (("affinity", vm.affinity), ("hugepages", vm.hugepages)):
        if key in wanted.config or key in wanted.left:
            continue
        if value is not None and held.get(key) != value:
            _add(wanted, own, key, held.get(key), value, found)
        elif value is None and key in managed and key in held:
            _add(wanted, own, key, held[key], None, found)
    found.refused += _same_serials(wanted)
    return _wholes(wanted, own, held, found)


def _wholes(wanted: DesiredVm, own: VmFacts | None, held: Mapping[str, str], found: Found) -> list[Whole]:
    taken = {*held, *wanted.config, *wanted.create_only, *(disk.slot for disk in wanted.disks)}
    fresh = []
    for disk in wanted.raw_disks:
        slot = next((key for key, value in held.items() if _file(key, value) == f"{BY_ID}{disk.by_id}"), None)
        value = raw_value(disk)
        if slot is None:
            slot = next(name for name in _SLOTS if name not in taken)
            taken.add(slot)
            fresh.append(Whole(wanted.name, wanted.node, disk))
            _add(wanted, own, slot, None, value, found, disk)
        elif differs(slot, value, held[slot]):
            _add(wanted, own, slot, held[slot], merged(slot, value, held[slot]), found)
    return fresh


def raw_slots(config: Mapping[str, str]) -> tuple[str, ...]:
    """Return the drives of a VM that are devices or files of the node, CD drives apart."""
    return tuple(
        sorted(key for key, value in config.items() if _file(key, value).startswith("/") and "media=cdrom" not in value)
    )


def _file(key: str, value: str) -> str:
    if key.rstrip("0123456789") not in ("scsi", "virtio", "sata", "ide"):
        return ""
    try:
        return Disk.parse(value).volume or ""
    except PropertyInvalid:
        return ""


def _add(
    wanted: DesiredVm,
    own: VmFacts | None,
    key: str,
    before: str | None,
    after: str | None,
    found: Found,
    disk: PoolDisk | None = None,
) -> None:
    made = change(key, before, after, own) if own is not None else Change(key, before, after)
    what = f"the disk {disk.serial} as a whole" if disk is not None else key
    why = f"{what} is set by root on {wanted.node}" if after is not None else f"{key} is not in the stack file any more"
    action = Action(action_id(wanted.node, wanted.name, key), Verb.ROOT, wanted.name, (made,), why=why)
    found.add(action, Keys(wanted.name, wanted.node, key, before, after, disk))


def _same_serials(wanted: DesiredVm) -> list[str]:
    virtual = [disk.options["serial"] for disk in wanted.disks if "serial" in disk.options]
    seen = [drive_serial(serial) for serial in [*virtual, *(disk.serial for disk in wanted.raw_disks)]]
    doubled = sorted({serial for serial in seen if seen.count(serial) > 1})
    if not wanted.raw_disks:
        return []
    return [f"{wanted.name}: two disks end in the same {SERIAL_LENGTH} characters, {serial}" for serial in doubled]


def used_disks(wholes: Iterable[Whole], look: NodeLook, vmids: Mapping[str, int]) -> list[str]:
    """Return which whole disks of a node are not there, or are another VM's or container's."""
    reasons = []
    claimed: dict[str, str] = {}
    for whole in wholes:
        name = f"{whole.vm}: the disk {whole.disk.serial} ({whole.disk.by_id})"
        device = look.links.get(whole.disk.by_id or "")
        if device is None:
            reasons.append(f"{name} is not on {look.node}: there is no {BY_ID}{whole.disk.by_id}")
            continue
        own = f"/etc/pve/qemu-server/{vmids.get(whole.vm, 0)}.conf"
        # A partition of a disk starts with the disk's own name.
        users = {conf for used, confs in look.users.items() if used.startswith(device) for conf in confs} - {own}
        reasons += [f"{name} is used by another VM or container already: {conf}" for conf in sorted(users)]
        if device in claimed:
            reasons.append(f"{name} is wanted by {claimed[device]} as well")
        claimed[device] = whole.vm
    return reasons


def raw_paths(disks: Collection[PoolDisk]) -> frozenset[str]:
    """Return the paths of disks given whole."""
    return frozenset(f"{BY_ID}{disk.by_id}" for disk in disks)
