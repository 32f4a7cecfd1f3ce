"""Mistakes in a NAS, and in the mounts of its shares, that show only when several fields are seen together."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.errors import Problem
from pvekit.model.stack import home_shape, shape
from pvekit.model.stack.fields import Fields
from pvekit.model.stack.problems import nearest
from pvekit.model.stack.text import Document, Path

Found = Iterator[Problem]

_LEAST = {"single": 1, "mirror": 2, "raidz1": 3, "raidz2": 4}
_WORDS_OF_SAMBA = frozenset({"global", "homes", "printers", "print$", "ipc$"})


def check(fields: Fields, document: Document) -> Found:
    """Yield every mistake of a NAS."""
    nas: home_shape.NasShape | None
    nas, path = fields.find("nas")
    if nas is None:
        if not fields.was_cut(document, "nas"):
            yield document.problem(("vms", fields.name), "nas is missing", "Write nas: {pool: …, shares: …}.")
        return
    if path[0] == "defaults":
        yield document.problem(path, "every NAS would get the same disks", "Write nas under the VM.")
    yield from _layout(nas.pool, document, (*path, "pool"))
    yield from _disks(nas.pool, fields, document, (*path, "pool", "disks"))
    yield from _create_on(nas.pool, document, (*path, "pool", "create_on"))
    yield from _people(nas, fields["user"], document, (*path, "users"))
    for name, share in nas.shares.items():
        yield from _share(name, share, nas, document, (*path, "shares", name))
    if nas.alert.mail and not nas.alert.server:
        yield document.problem((*path, "alert", "mail"), "the mail server is missing", "Write server: host:587.")
    if (nas.alert.user is None) != (nas.alert.password is None):
        yield document.problem((*path, "alert"), "user and password go together", "Write both, or none.")


def _layout(pool: home_shape.PoolShape, document: Document, path: Path) -> Found:
    here = (*path, "layout")
    least = _LEAST[pool.layout]
    if len(pool.disks) < least:
        text = f"{pool.layout} needs {least} disks or more, {len(pool.disks)} given"
        yield document.problem(here, text, "Add disks, or choose another layout.")
    if pool.layout == "single" and len(pool.disks) > 1:
        text = "with single, one broken disk loses everything"
        yield document.problem(here, text, "Choose mirror, raidz1 or raidz2, or one disk.")
    if pool.filesystem == "btrfs" and pool.layout.startswith("raidz"):
        yield document.problem(here, f"btrfs has no {pool.layout}", "Choose mirror.")


def _disks(pool: home_shape.PoolShape, fields: Fields, document: Document, path: Path) -> Found:
    virtual = {disk.serial: disk for disk in fields["disks"] or [] if disk.serial}
    serials: set[str] = set()
    names: set[str] = set()
    for at, disk in enumerate(pool.disks):
        here = (*path, at)
        if disk.serial in serials:
            yield document.problem((*here, "serial"), f"the serial {disk.serial} stands twice", "Every disk has one.")
        serials.add(disk.serial)
        own = virtual.get(disk.serial)
        if disk.by_id is None and own is None:
            hint = f"Add it under disks: - {{size: …, serial: {disk.serial}}}, or write by_id for a whole disk."
            yield document.problem((*here, "serial"), f"the VM has no disk with the serial {disk.serial}", hint)
        elif disk.by_id is None and own is not None and own.size != disk.size:
            yield document.problem((*here, "size"), "this is not the size under disks", "Both must be the same.")
        elif disk.by_id is not None and own is not None:
            yield document.problem((*here, "by_id"), f"{disk.serial} is a virtual disk of this VM", "Remove by_id.")
        if disk.by_id is not None and disk.by_id in names:
            yield document.problem((*here, "by_id"), f"{disk.by_id} stands twice", "Every disk has its own name.")
        names.add(disk.by_id or "")


def _create_on(pool: home_shape.PoolShape, document: Document, path: Path) -> Found:
    serials = {disk.serial for disk in pool.disks}
    for at, serial in enumerate(pool.create_on):
        if serial not in serials:
            yield document.problem((*path, at), f"{serial} is none of the pool's disks", nearest(serial, serials))
    missing = sorted(serials - set(pool.create_on))
    if pool.create_on and missing:
        yield document.problem(path, f"{', '.join(missing)} is missing", "Write the serial of every disk, or of none.")


def _people(nas: home_shape.NasShape, owner: str, document: Document, path: Path) -> Found:
    seen: set[str] = set()
    for at, user in enumerate(nas.users):
        here = (*path, at, "name")
        if user.name in seen:
            yield document.problem(here, f"the user {user.name} stands twice", "Remove one.")
        if user.name in (owner, "root", "nobody"):
            yield document.problem(here, f"{user.name} is a user of the system", "Choose another name.")
        seen.add(user.name)


def _share(name: str, share: home_shape.ShareShape, nas: home_shape.NasShape, document: Document, path: Path) -> Found:
    people = [user.name for user in nas.users]
    for key, listed in (("users", share.users), ("readers", share.readers)):
        for at, user in enumerate(listed):
            if user not in people:
                yield document.problem((*path, key, at), f"there is no user {user!r}", nearest(user, people))
    if name.casefold() in _WORDS_OF_SAMBA:
        yield document.problem(path, f"{name} is a word of Samba", "Choose another name.")
    if share.time_machine and not share.smb:
        yield document.problem((*path, "time_machine"), "Time Machine needs smb", "Remove smb: false.")
    if not share.smb and not share.nfs:
        yield document.problem(path, "nobody could reach this share", "Write smb: true, or nfs: [ADDRESS].")


def check_mounts(fields: Fields, document: Document, stack: shape.StackShape) -> Found:
    """Yield every mistake in the mounts of a Linux guest."""
    mounts: list[home_shape.MountShape] | None
    mounts, path = fields.find("mounts")
    places: set[str] = set()
    for at, mount in enumerate(mounts or []):
        if mount.path in places:
            yield document.problem((*path, at, "path"), f"{mount.path} stands twice", "Every mount has its own place.")
        places.add(mount.path)
        yield from _mount(mount, document, stack, (*path, at))


def _mount(mount: home_shape.MountShape, document: Document, stack: shape.StackShape, path: Path) -> Found:
    name, _, share_name = mount.share.partition("/")
    servers = {vm_name: vm.nas for vm_name, vm in stack.vms.items() if vm.nas is not None}
    if name not in servers:
        yield document.problem((*path, "share"), f"there is no NAS {name!r}", nearest(name, servers))
        return
    share = servers[name].shares.get(share_name)
    if share is None:
        text = f"{name} has no share {share_name!r}"
        yield document.problem((*path, "share"), text, nearest(share_name, servers[name].shares))
        return
    if mount.how == "nfs" and not share.nfs:
        yield document.problem((*path, "how"), f"{mount.share} is not shared by NFS", "Add nfs: [ADDRESS] there.")
    if mount.how == "smb" and not share.smb:
        yield document.problem((*path, "how"), f"{mount.share} is not shared by SMB", "Write how: nfs.")
        return
    allowed = {*share.users, *share.readers}
    if mount.how == "smb" and mount.user is None:
        yield document.problem(path, "user is missing", f"Write user: one of {', '.join(sorted(allowed))}.")
    elif mount.how == "smb" and mount.user not in allowed:
        text = f"{mount.user} may not use {mount.share}"
        yield document.problem((*path, "user"), text, nearest(str(mount.user), allowed))
