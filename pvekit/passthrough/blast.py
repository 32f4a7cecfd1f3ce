"""What the host loses when Proxmox VE gives a card to a VM. Pure.

At the start of a VM qemu-server binds every member of the card's IOMMU group to vfio-pci, bridges left out
(PVE/QemuServer/PCI.pm). Whatever the host uses of them is gone at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pvekit.model.bundle import Line
from pvekit.model.missing import Missing
from pvekit.model.pci import Bdf
from pvekit.passthrough import members
from pvekit.passthrough.facts.cmdline import Cmdline
from pvekit.passthrough.facts.devices import Device, Devices
from pvekit.passthrough.facts.groups import IommuGroups
from pvekit.passthrough.facts.hostuses import CONSOLE, DISK, NIC, USB, HostUses, Use
from pvekit.passthrough.facts.kernellog import KernelLog


class Damage(Enum):
    """The answer; the number is the exit code."""

    NONE = 0
    LOSES = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Loss:
    """One thing that the host loses. ``sure``: it is in use, not only of a kind that hosts use."""

    bdf: Bdf
    kind: str
    text: str
    sure: bool
    line: Line


@dataclass(frozen=True)
class Blast:
    """What is taken and what is lost. ``open`` says what could not be judged."""

    damage: Damage
    groups: tuple[int, ...]
    taken: tuple[Device, ...]
    losses: tuple[Loss, ...]
    open: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


_KINDS = {NIC: members.NETWORK, DISK: members.STORAGE, USB: members.KEYBOARD, CONSOLE: members.CONSOLE}


def blast(
    wanted: Iterable[Bdf], devices: Devices | Missing, groups: IommuGroups | Missing, uses: HostUses | Missing,
    log: KernelLog | Missing, cmdline: Cmdline | Missing,
) -> Blast:  # fmt: skip
    """Return what the host loses with these functions and all members of their groups."""
    asked = tuple(dict.fromkeys(wanted))
    if isinstance(devices, Missing):
        return Blast(Damage.UNKNOWN, (), (), (), (f"the devices are not known: {devices.source} tells them",))
    unclear: list[str] = []
    found: dict[int, None] = {}
    taken: dict[Bdf, Device] = {}
    for bdf in asked:
        device = devices.by_bdf.get(bdf)
        if device is None:
            unclear.append(f"{bdf} is not among the devices that are listed")
            continue
        group = device.group if device.group is not None else None if isinstance(groups, Missing) else groups.of(bdf)
        if group is None:
            unclear.append(f"the IOMMU group of {bdf} is not known: iommu_groups.txt tells it")
            taken[bdf] = device
            continue
        found[group] = None
        listed = () if isinstance(groups, Missing) else groups.members.get(group, ())
        for member in (*devices.group_of(group), *_listed(listed, devices, unclear)):
            if member.bdf in asked or not members.transparent(member):
                taken[member.bdf] = member
    if found and not isinstance(groups, Missing) and not (groups.whole or groups.listed):
        unclear.append("the list of IOMMU groups is not whole: the group may have more members")
    lost, notes = _losses(tuple(taken.values()), devices, uses, log, cmdline)
    if isinstance(uses, Missing):
        unclear.append("what the host uses is not in the bundle: host_uses.txt tells it (pvekit passthrough collect)")
    sure = any(loss.sure for loss in lost)
    damage = Damage.LOSES if sure else Damage.UNKNOWN if unclear else Damage.NONE
    order = tuple(taken[bdf] for bdf in sorted(taken))
    return Blast(damage, tuple(found), order, lost, tuple(dict.fromkeys(unclear)), notes)


def _listed(bdfs: Iterable[Bdf], devices: Devices, unclear: list[str]) -> Iterable[Device]:
    for bdf in bdfs:
        device = devices.by_bdf.get(bdf)
        if device is not None:
            yield device
        else:
            unclear.append(f"{bdf} is in the group, and nothing tells what it is")


def _losses(
    taken: tuple[Device, ...], devices: Devices, uses: HostUses | Missing, log: KernelLog | Missing,
    cmdline: Cmdline | Missing,
) -> tuple[tuple[Loss, ...], tuple[str, ...]]:  # fmt: skip
    """Return what is lost: by the host's own list where there is one, else by what the other files show."""
    found: list[Loss] = []
    notes: list[str] = []
    settled: set[tuple[Bdf, str]] = set()
    if not isinstance(uses, Missing):
        gone = {device.bdf for device in taken}
        for use in uses.uses:
            if use.bdf not in gone:
                continue
            if use.what in _OTHER and _another(use, uses, gone):
                notes.append(f"{use.bdf} {_OTHER[use.what]}")
                settled.add((use.bdf, _KINDS[use.what]))
                continue
            found.append(Loss(use.bdf, _KINDS[use.what], said(use), True, use.line))
    for device in taken:
        for need in members.needs(device, devices, log, cmdline):
            known = not isinstance(uses, Missing) and not need.sure
            told = settled | {(loss.bdf, loss.kind) for loss in found}
            if not known and (device.bdf, need.kind) not in told:
                found.append(Loss(device.bdf, need.kind, need.text, need.sure, need.line))
    return tuple(dict.fromkeys(found)), tuple(notes)


_OTHER = {
    CONSOLE: "shows the host's console; another card shows one, too",
    USB: "has a keyboard of the host; another controller has one, too",
}
"""Of these the host needs one only."""


def _another(use: Use, uses: HostUses, gone: set[Bdf]) -> bool:
    return any(other.what == use.what and other.bdf not in gone for other in uses.uses)


def said(use: Use) -> str:
    """Return a use in words, with the device."""
    return f"{use.bdf} {_said(use)}"


def _said(use: Use) -> str:
    word, _, rest = use.why.partition(" ")
    if use.what == NIC:
        return f"is the network card of the default route ({rest})" if word == "default-route" else f"carries {use.why}"
    if use.what == USB:
        return f"has the USB {use.why or 'devices'} of the host"
    if use.what == CONSOLE:
        return f"shows the only console of the host ({use.why or 'no more is told'})"
    text = {
        "root-filesystem": "holds the root file system",
        "mounted": f"holds {rest}, which is mounted",
        "zfs-pool": f"holds a disk of the ZFS pool {rest}",
        "swap": "holds swap space that is in use",
        "lvm": "holds a volume group that is in use",
        "encrypted": "holds an encrypted volume that is open",
    }
    return text.get(word, f"holds a disk in use ({use.why})" if use.why else "holds a disk in use")
