"""Mistakes that show only when several fields are seen together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface
from typing import Any

from pvekit.model.errors import Problem
from pvekit.model.stack import home_checks
from pvekit.model.stack.fields import Fields
from pvekit.model.stack.problems import nearest
from pvekit.model.stack.pvekeys import check_pve
from pvekit.model.stack.shape import DiskShape, ImageShape, NicShape, StackShape
from pvekit.model.stack.text import Document, Path

_SOURCES = ("url", "path", "volume", "build")
_SUMS = ("sha256", "sha512", "checksums")

Found = Iterator[Problem]


@dataclass(slots=True)
class Seen:
    """Values that may stand only once in a file, with the path of the first."""

    what: str
    hint: str
    first: dict[Any, Path]

    def add(self, document: Document, value: object, path: Path, shown: object = None) -> Found:
        """Yield a problem when the value was seen at another path."""
        if value in self.first and self.first[value] != path:
            other = document.problem(self.first[value], "")
            text = f"the {self.what} {shown or value} is already used by {other.path} (line {other.line})"
            yield document.problem(path, text, self.hint)
        self.first.setdefault(value, path)


def check(stack: StackShape, document: Document, kinds: frozenset[str]) -> Found:
    """Yield every mistake."""
    yield from _host(stack, document)
    yield from _images(stack, document)
    if not stack.vms and not document.was_cut(("vms",)):
        yield document.problem(("vms",), "there is no VM", "Add at least one.")
    yield from _tags(document, stack.defaults.tags, ("defaults", "tags"))
    yield from check_pve(document, stack.defaults.pve, ("defaults", "pve"))
    yield from _notes(document, stack.defaults.description, ("defaults", "description"))
    once = {
        "vmid": Seen("VMID", "Every VM needs its own.", {}),
        "mac": Seen("MAC address", "Every network card needs its own.", {}),
        "address": Seen("address", "Every network card needs its own.", {}),
    }
    for name, vm in stack.vms.items():
        fields = Fields(name, vm, stack.defaults)
        path: Path = ("vms", name)
        if vm.vmid is not None:
            yield from once["vmid"].add(document, vm.vmid, (*path, "vmid"))
        yield from _kind(fields, document, kinds)
        yield from _image_of(fields, document, stack)
        yield from _hardware(fields, document)
        yield from home_checks.check(fields, document, stack)
        yield from _disks(fields, document)
        yield from _nics(fields, document, once)
        yield from _users(fields, document)
        yield from _tags(document, vm.tags, (*path, "tags"))
        yield from check_pve(document, vm.pve, (*path, "pve"))
        yield from _notes(document, vm.description, (*path, "description"))


def _host(stack: StackShape, document: Document) -> Found:
    host = stack.host
    if host is None:
        return
    path: Path = ("host",)
    if not (host.fingerprint or host.verify or document.was_cut((*path, "fingerprint"), (*path, "verify"))):
        text = "neither fingerprint nor verify is given, so any server could answer"
        hint = "Write fingerprint: from `pvenode cert info` on the node, or verify: system for a public certificate."
        yield document.problem(path, text, hint)
    if host.fingerprint and host.verify:
        yield document.problem((*path, "verify"), "fingerprint and verify exclude each other", "Remove one.")
    if not (host.token or host.login or document.was_cut((*path, "token"), (*path, "login"))):
        yield document.problem(path, "neither token nor login is given", "Add token: {id: ..., secret: ...}.")


def _images(stack: StackShape, document: Document) -> Found:
    for name, image in stack.images.items():
        path: Path = ("images", name)
        if not document.was_cut(*((*path, key) for key in _SOURCES)):
            yield from _source(image, document, path)
            yield from _sums(image, document, path)


def _source(image: ImageShape, document: Document, path: Path) -> Found:
    sources = [key for key in _SOURCES if getattr(image, key)]
    if len(sources) != 1:
        text = "there is no source" if not sources else f"{' and '.join(sources)} exclude each other"
        yield document.problem(path, text, "Write one of url, path, volume and build.")
    if image.volume and image.format not in (None, "iso"):
        yield document.problem((*path, "format"), "a volume is an ISO", "Remove format.")
    if image.build and (image.format or any(getattr(image, key) for key in _SUMS)):
        yield document.problem(path, "a built image has no checksum and format of its own", "Remove them.")
    packed = (image.url or image.path or "").partition("?")[0].rpartition(".")[2].lower()
    if packed in {"xz", "gz", "zst", "bz2", "zip", "lzo"}:
        text = f"PVE cannot import a compressed image (.{packed})"
        at = (*path, "url" if image.url else "path")
        yield document.problem(at, text, "Unpack it and use path:, or find the .qcow2.")


def _sums(image: ImageShape, document: Document, path: Path) -> Found:
    sums = [key for key in _SUMS if getattr(image, key)]
    cut = document.was_cut(*((*path, key) for key in _SUMS))
    if home_checks.is_iso(image) and image.sha256 is None and not cut:
        hint = "Write sha256: as its publisher gives it (sha256sum shows a file's)."
        yield document.problem(path, "an ISO needs its sha256", hint)
    elif image.url and not sums and not cut:
        hint = "Write sha256: or sha512:, or checksums: with the address of the publisher's SHA256SUMS."
        yield document.problem(path, "a downloaded image needs a checksum", hint)
    if len(sums) > 1:
        yield document.problem((*path, sums[1]), f"{' and '.join(sums)} exclude each other", "Keep one.")
    if image.path and image.checksums:
        yield document.problem((*path, "checksums"), "checksums goes with url", "Write sha256: instead.")
    if image.keyring and not image.checksums:
        yield document.problem((*path, "keyring"), "keyring goes with checksums", "Write checksums: URL.")


def _kind(fields: Fields, document: Document, kinds: frozenset[str]) -> Found:
    kind, path = fields.find("kind")
    if fields.was_cut(document, "kind"):
        return
    if not kind:
        yield document.problem(path, "kind is missing", f"Write one of: {', '.join(sorted(kinds))}.")
    elif kind not in kinds:
        yield document.problem(path, f"unknown kind {kind!r}", nearest(kind, kinds))


def _image_of(fields: Fields, document: Document, stack: StackShape) -> Found:
    image, path = fields.find("image")
    if image is not None and ("images", image) not in document.keys:
        yield document.problem(path, f"there is no image {image!r} under images", nearest(image, stack.images))


def _hardware(fields: Fields, document: Document) -> Found:
    secure, path = fields.find("secure_boot")
    if secure and fields["firmware"] != "ovmf" and not fields.was_cut(document, "firmware"):
        yield document.problem(path, "Secure Boot needs UEFI", "Add firmware: ovmf.")
    balloon, path = fields.find("balloon")
    if balloon is not None and balloon > fields["memory"] and not fields.was_cut(document, "memory"):
        text = f"balloon ({balloon}MiB) is more than memory ({fields['memory']}MiB)"
        yield document.problem(path, text, "balloon is the least the VM keeps.")


def _disks(fields: Fields, document: Document) -> Found:
    disks, path = fields.find("disks")
    seen = Seen("slot", "Leave slot away, or choose another.", {})
    serials = Seen("serial", "Every disk of a VM needs its own.", {})
    disk: DiskShape
    for at, disk in enumerate(disks or []):
        here = (*path, at)
        if disk.slot:
            yield from seen.add(document, disk.slot, (*here, "slot"))
        if disk.serial:
            yield from serials.add(document, disk.serial, (*here, "serial"))
        bus = (disk.slot or "scsi0").rstrip("0123456789")
        if disk.iothread is not None and bus not in {"scsi", "virtio"}:
            yield document.problem((*here, "iothread"), f"{bus} disks have no I/O thread", "Use a scsi slot.")
        if disk.ssd is not None and bus == "virtio":
            yield document.problem((*here, "ssd"), "virtio disks cannot show themselves as SSD", "Use a scsi slot.")
    limit = 31
    if disks is not None and len(disks) > limit:
        yield document.problem(path, f"{len(disks)} disks are too many", f"PVE takes {limit} scsi disks.")


def _nics(fields: Fields, document: Document, once: dict[str, Seen]) -> Found:
    nics, path = fields.find("nics")
    slots = Seen("slot", "Leave slot away, or choose another.", {})
    owner = fields.layers[0][0]
    nic: NicShape
    for at, nic in enumerate(nics or []):
        here = (*path, at)
        if nic.slot:
            yield from slots.add(document, nic.slot, (*here, "slot"))
        if nic.mac:
            yield from _own(document, once["mac"], nic.mac, (*here, "mac"), owner)
        for key, way in (("address", "gateway"), ("address6", "gateway6")):
            yield from _gateway(document, getattr(nic, key), getattr(nic, way), (*here, way))
            address = getattr(nic, key)
            if isinstance(address, (IPv4Interface, IPv6Interface)):
                network = (nic.bridge or fields["bridge"], nic.vlan, address.ip)
                yield from _own(document, once["address"], network, (*here, key), owner, shown=address.ip)
    if nics is not None and len(nics) > 32:
        yield document.problem(path, f"{len(nics)} network cards are too many", "PVE takes 32.")


def _own(document: Document, seen: Seen, value: object, path: Path, owner: Path, *, shown: object = None) -> Found:
    """Yield a problem for a value that must be one VM's own; in ``defaults`` every VM would get it."""
    if path[0] == "defaults":
        text = f"the {seen.what} {shown or value} would go to every VM"
        if seen.first.setdefault(value, owner) != owner:
            yield document.problem(path, text, "Write it under the VM.")
        return
    yield from seen.add(document, value, path, shown)


def _gateway(document: Document, address: object, gateway: Any, path: Path) -> Found:
    if gateway is None:
        return
    if not isinstance(address, (IPv4Interface, IPv6Interface)):
        yield document.problem(path, "a gateway goes with a fixed address only", "Remove it, or write the address.")
        return
    link_local = address.version == 6 and gateway.is_link_local
    if gateway not in address.network and not link_local:
        hint = f"Write one of {address.network}, or correct the prefix of the address."
        yield document.problem(path, f"the gateway {gateway} is outside {address.network}", hint)
    elif gateway == address.ip:
        yield document.problem(path, "the gateway is the VM itself", "Write the router's address.")


def _users(fields: Fields, document: Document) -> Found:
    users, path = fields.find("users")
    seen = Seen("user name", "Every user stands once.", {})
    for at, user in enumerate(users or []):
        here = (*path, at, "name")
        yield from seen.add(document, user.name, here)
        if user.name == fields["user"]:
            yield document.problem(here, f"{user.name} is the VM's main user", "Set ssh_keys and password there.")
        if user.name == "root":
            yield document.problem(here, "root exists in every guest", "Choose another name.")


def _tags(document: Document, tags: list[str] | None, path: Path) -> Found:
    for at, tag in enumerate(tags or []):
        if tag == "pvekit" or tag.startswith(("pvekit-", "pvekit.")):
            yield document.problem((*path, at), f"the tag {tag} is pvekit's own", "Choose another name.")


def _notes(document: Document, text: str | None, path: Path) -> Found:
    if text and "<!-- pvekit" in text:
        yield document.problem(path, "this looks like pvekit's own mark", "Remove the comment `<!-- pvekit`.")
