"""Decides what may be done with data disks: make a pool, take one over, or leave them alone and say why. Pure.

The rules: a disk is what serial, size and (on a host) by-id name say together; a disk in use is left alone; whatever
is found on it is taken over only if it is the pool of that name on exactly these disks; a new pool is made only where
nothing was found and the stack file repeats every serial. A look that failed counts as something found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pvekit.model.datadisk import SHORT_SERIAL, Claim, DiskFacts, Machine, PoolClaim, PoolMember, Sign

_LABEL_TOLERANCE = 0.01
"""A maker's "4 TB" is 4.0008 TB: whole disks are compared with what their label says."""
_OF_A_POOL = {"zfs": frozenset({"zfs_member", "gpt", "PMBR", "dos"}), "btrfs": frozenset({"btrfs"})}
"""What is on a disk that a pool was made on. ZFS on Linux makes itself a partition table."""
ERASE = "If it is the wrong disk, correct the serial. If its data is of no use, erase it by hand; pvekit never does."
_BTRFS_MIRROR = {2: "raid1", 3: "raid1c3", 4: "raid1c4"}


@dataclass(frozen=True, slots=True)
class Create:
    """Nothing is on the disks and they may be used. ``notes`` are worth telling the person."""

    filesystem: str
    devices: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adopt:
    """The pool is there, on exactly these disks. ``id`` is its UUID (btrfs) or GUID (ZFS)."""

    filesystem: str
    id: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Nothing may be done. Each reason names disk, serial, what was found, and what to do."""

    reasons: tuple[str, ...]


Verdict = Create | Adopt | Refuse


def judge(pool: PoolClaim, machine: Machine, *, on_host: bool = False) -> Verdict:
    """Return what may be done. ``on_host`` holds by-id names against the disks as well; a guest sees QEMU's names."""
    found, reasons = identify(pool.disks, machine, on_host=on_host)
    for _, disk in found:
        reasons += busy(disk, mount=pool.mount, pool=pool.name)
    if reasons:
        return Refuse(tuple(reasons))
    disks = [disk for _, disk in found]
    if not any(disk.signs or disk.pools for disk in disks):
        return _create(pool, machine, found)
    return _adopt(pool, machine, found)


def identify(
    claims: Sequence[Claim], machine: Machine, *, on_host: bool = False
) -> tuple[list[tuple[Claim, DiskFacts]], list[str]]:
    """Return each claim with its disk, and why the others have none."""
    found, reasons = [], [f"the machine could not be looked at: {why}" for why in machine.failed]
    for claim in claims:
        wanted = {claim.serial} if on_host or claim.by_id is None else {claim.serial, claim.serial[-SHORT_SERIAL:]}
        matching = [disk for disk in machine.disks if disk.serial in wanted]
        if len(matching) != 1:
            many = f"{len(matching)} disks have" if matching else "no disk has"
            there = ", ".join(f"{disk.name}: {disk.serial or 'none'}" for disk in machine.disks)
            hint = "Every disk needs a serial of its own." if matching else f"Serials there: {there or 'no disks'}."
            reasons.append(f"{many} the serial {claim.serial}. {hint}")
            continue
        (disk,) = matching
        reasons += _mistaken(claim, disk, on_host=on_host)
        found.append((claim, disk))
    return found, reasons


def _mistaken(claim: Claim, disk: DiskFacts, *, on_host: bool) -> Iterator[str]:
    whole = claim.by_id is not None
    tolerance = claim.size_bytes * _LABEL_TOLERANCE if whole else 0
    if abs(disk.size_bytes - claim.size_bytes) > tolerance:
        yield (
            f"{called(disk)} has {disk.size_bytes} bytes, the stack file says {claim.size_bytes}. "
            "Is it the disk you mean? Correct size."
        )
    if on_host and whole and claim.by_id not in disk.by_id:
        there = ", ".join(disk.by_id) or "no such name"
        yield f"{called(disk)} is not {claim.by_id}: it is {there}. Correct serial or by_id."


def busy(disk: DiskFacts, *, mount: str = "", pool: str = "") -> list[str]:
    """Return why a disk must be left alone whatever is on it: somebody uses it, or it could not be looked at.

    ``mount`` and ``pool`` are the pool's own, which are no obstacle.
    """
    name = called(disk)
    reasons = []
    if disk.boot:
        reasons.append(f"{name} holds the running system. Choose another disk.")
    elif elsewhere := [where for where in disk.mounts if not _inside(where, mount)]:
        reasons.append(f"{name} is mounted at {', '.join(elsewhere)}. Unmount it, if it is the right disk.")
    if disk.swap:
        reasons.append(f"{name} is swapped to. Choose another disk, or take it out of /etc/fstab and swapoff.")
    if disk.holders:
        reasons.append(f"{name} is part of {', '.join(disk.holders)} (an array, volume group or mapping) in use here.")
    if others := [each for each in disk.imported if each != pool]:
        reasons.append(f"{name} is in the ZFS pool {', '.join(others)}, in use here. Export it first, if it is right.")
    if disk.users:
        reasons.append(f"{name} is used by another VM already: {', '.join(disk.users)}.")
    if disk.read_only:
        reasons.append(f"{name} is read-only.")
    reasons += [f"{name} could not be looked at: {why}" for why in disk.failed]
    return reasons


def attachable(claims: Sequence[Claim], machine: Machine) -> list[str]:
    """Return why disks of a host may not be given to a VM whole (empty: they may).

    Whether a pool that is on them is the right one is decided in the VM; anything but a pool is refused here already.
    """
    found, reasons = identify(claims, machine, on_host=True)
    for _, disk in found:
        reasons += busy(disk)
        if (disk.signs or disk.pools) and not _holds_one_pool(disk):
            reasons.append(f"{called(disk)} is {_listed(disk)}. {ERASE}")
    return reasons


def _holds_one_pool(disk: DiskFacts) -> bool:
    """Return whether all there is on a disk is its part of one pool."""
    kinds = {member.kind for member in disk.pools}
    return len(disk.pools) == 1 and all(sign.type in _OF_A_POOL.get(min(kinds), ()) for sign in disk.signs)


def _inside(where: str, mount: str) -> bool:
    return bool(mount) and (where == mount or where.startswith((f"{mount}/", "/srv/nfs/")))


def called(disk: DiskFacts) -> str:
    """Return how a disk is named to a person."""
    return f"{disk.name} (serial {disk.serial})"


def _create(pool: PoolClaim, machine: Machine, found: Sequence[tuple[Claim, DiskFacts]]) -> Verdict:
    missing = [claim.serial for claim, _ in found if claim.serial not in pool.create_on]
    names = ", ".join(called(disk) for _, disk in found)
    if missing:
        every = ", ".join(claim.serial for claim in pool.disks)
        return Refuse((f"{names}: nothing was found. To make the pool {pool.name} there, write create_on: [{every}].",))
    filesystem, why = _filesystem(pool, machine)
    if why:
        return Refuse((why,))
    notes = tuple(
        f"{called(disk)} holds no known mark, but is not blank" for _, disk in found if disk.blank is not True
    )
    return Create(filesystem, tuple(disk.stable_path for _, disk in found), notes)


def _filesystem(pool: PoolClaim, machine: Machine) -> tuple[str, str]:
    """Return the file system for a new pool, or why there is none."""
    has = {"zfs": machine.zfs, "btrfs": machine.btrfs}
    wanted = pool.filesystem if pool.filesystem != "auto" else "zfs" if machine.zfs else "btrfs"
    if not has.get(wanted):
        return "", f"this machine's kernel has no {wanted}. Take an image that has it (Ubuntu has ZFS)."
    if wanted == "btrfs" and pool.layout.startswith("raidz"):
        return "", f"{pool.layout} needs ZFS, which this machine's kernel has not. Take Ubuntu, or layout: mirror."
    if wanted == "btrfs" and pool.layout == "mirror" and len(pool.disks) not in _BTRFS_MIRROR:
        return "", f"btrfs mirrors to 2, 3 or 4 disks, not {len(pool.disks)}. Take Ubuntu for ZFS, or fewer disks."
    return wanted, ""


def _adopt(pool: PoolClaim, machine: Machine, found: Sequence[tuple[Claim, DiskFacts]]) -> Verdict:
    members = [(disk, _member(disk, pool)) for _, disk in found]
    reasons = []
    for disk, member in members:
        if member is None:
            what = f"is {_listed(disk)}" if disk.signs or disk.pools else "is empty, and others of the pool are not"
            reasons.append(f"{called(disk)} {what}. {_next_step(disk, pool)}")
    good = [(disk, member) for disk, member in members if member is not None]
    ids = {(member.kind, member.id) for _, member in good}
    if len(ids) > 1:
        names = "; ".join(f"{called(disk)}: {member.kind} {member.id}" for disk, member in good)
        reasons.append(f"the disks belong to different pools of the name {pool.name}: {names}.")
    if not reasons:
        reasons += _complete(pool, machine, good)
    if reasons:
        return Refuse(tuple(reasons))
    ((kind, pool_id),) = ids
    if not {"zfs": machine.zfs, "btrfs": machine.btrfs}[kind]:
        return Refuse((f"the pool {pool.name} is {kind}, which this machine's kernel has not. Take another image.",))
    return Adopt(kind, pool_id, tuple(disk.stable_path for disk, _ in good))


def _member(disk: DiskFacts, pool: PoolClaim) -> PoolMember | None:
    """Return a disk's membership in the pool of that name, if that is all there is on the disk."""
    if not _holds_one_pool(disk):
        return None
    (member,) = disk.pools
    return member if member.name == pool.name and pool.filesystem in ("auto", member.kind) else None


def _complete(pool: PoolClaim, machine: Machine, good: Sequence[tuple[DiskFacts, PoolMember]]) -> Iterator[str]:
    first = good[0][1]
    ours = sorted(member.member for _, member in good)
    if len(set(ours)) != len(ours):
        yield f"two of the disks are the same part of {pool.name}: one is a copy of the other."
    elif any(member.disks != len(good) for _, member in good):
        said = ", ".join(str(member.disks or "an unknown number of") for _, member in good)
        yield f"the pool {pool.name} has {said} disks by its own word, the stack file names {len(good)}. Name them all."
    elif any(member.members and sorted(member.members) != ours for _, member in good):
        yield f"the pool {pool.name} has other disks than the stack file names. Correct disks."
    names = {disk.name for disk, _ in good}
    for disk in machine.disks:
        if disk.name not in names and any(member.id == first.id for member in disk.pools):
            yield f"{called(disk)} belongs to {pool.name} as well, and the stack file does not name it."


def _listed(disk: DiskFacts) -> str:
    """Return what was found, each kind once, with who found it."""
    kinds: dict[str, list[Sign]] = {}
    for sign in disk.signs:
        kinds.setdefault(_KNOWN_AS.get(sign.type, sign.type), []).append(sign)
    parts = []
    for kind, signs in kinds.items():
        labels = sorted({sign.label for sign in signs if sign.label})
        label = f" {', '.join(labels)!r}" if labels else ""
        parts.append(f"{kind}{label} on {signs[0].on} ({', '.join(sorted({sign.by for sign in signs}))})")
    parts += [f"member of the {member.kind} pool {member.name!r}" for member in disk.pools]
    return "not empty: " + ", ".join(parts)


_KNOWN_AS = {"dos": "MBR", "PMBR": "MBR", "ext2/3/4": "ext2, ext3 or ext4"}


def _next_step(disk: DiskFacts, pool: PoolClaim) -> str:
    if not disk.signs and not disk.pools:
        return f"Put the missing disk of {pool.name} back, or replace it by hand with the pool's own tools."
    return ERASE


def create_command(pool: PoolClaim, verdict: Create) -> list[str]:
    """Return the command that makes the pool. Its tool refuses disks that hold something, and is not told otherwise."""
    if verdict.filesystem == "zfs":
        options = ("acltype=posixacl", "xattr=sa", "atime=off", "compression=on", f"mountpoint={pool.mount}")
        given = [word for option in options for word in ("-O", option)]
        layout = [] if pool.layout == "single" else [pool.layout]
        return ["zpool", "create", "-o", "ashift=12", *given, pool.name, *layout, *verdict.devices]
    data = _BTRFS_MIRROR[len(verdict.devices)] if pool.layout == "mirror" else "single"
    metadata = data if pool.layout == "mirror" else "dup"
    return ["mkfs.btrfs", "--quiet", "--label", pool.name, "--data", data, "--metadata", metadata, *verdict.devices]
