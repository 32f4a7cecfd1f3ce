"""What is for one kind only, and what needs SSH to the node."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.errors import Problem
from pvekit.model.stack import llama_checks, nas_checks, shape, windows_checks
from pvekit.model.stack.fields import Fields
from pvekit.model.stack.text import Document, Path

Found = Iterator[Problem]

_LINUX = frozenset({"debian", "ubuntu"})
_ONLY = {
    "windows": frozenset({"windows"}),
    "nas": frozenset({"nas"}),
    "llama": frozenset({"llama"}),
    "desktop": _LINUX,
    "locale": _LINUX | {"nas", "llama"},
    "keyboard": _LINUX,
    "mounts": _LINUX,
}
"""Which kinds a section is for."""


def check(fields: Fields, document: Document, stack: shape.StackShape) -> Found:
    """Yield every mistake of one VM."""
    kind = fields["kind"]
    for section, kinds in _ONLY.items():
        value, path = fields.find(section)
        # In `defaults` it is for those VMs that can use it.
        if value and kind not in kinds and path[0] != "defaults" and not fields.was_cut(document, "kind"):
            yield document.problem(path, f"{section} is for {' and '.join(sorted(kinds))} VMs", "Remove it.")
    yield from _image_kind(fields, document, stack)
    if kind == "windows":
        yield from windows_checks.check(fields, document, stack)
    if kind == "nas":
        yield from nas_checks.check(fields, document)
    if kind == "llama":
        yield from llama_checks.check(fields, document)
    if kind in _LINUX:
        yield from nas_checks.check_mounts(fields, document, stack)
    yield from _needs_ssh(fields, document, stack)


def _image_kind(fields: Fields, document: Document, stack: shape.StackShape) -> Found:
    image, path = fields.find("image")
    if image not in stack.images:
        return
    iso, windows = is_iso(stack.images[image]), fields["kind"] == "windows"
    if windows and not iso:
        yield document.problem(path, f"{image} is no ISO", "Windows is installed from its setup CD (.iso).")
    if not windows and iso:
        yield document.problem(path, f"{image} is an ISO", f"A {fields['kind']} VM needs a disk image (.qcow2).")


def is_iso(image: shape.ImageShape) -> bool:
    """Return whether an image is an installation CD."""
    name = (image.url or image.path or image.volume or "").partition("?")[0].lower()
    return image.format == "iso" or (image.format is None and name.endswith(".iso"))


def _needs_ssh(fields: Fields, document: Document, stack: shape.StackShape) -> Found:
    if stack.host is None or stack.host.ssh is not None or document.was_cut(("host", "ssh")):
        return
    hint = "Add host: {ssh: {nodes: {NODE: {address: …, host_key: …}}}}: no API token may do this."
    wanted: list[tuple[str, Path]] = []
    for key in ("affinity", "hugepages"):
        value, path = fields.find(key)
        if value is not None:
            wanted.append((key, path))
    schedule, path = fields.part("start", "schedule")
    if schedule is not None:
        wanted.append(("a schedule", path))
    nas = fields["nas"]
    if fields["kind"] == "nas" and nas is not None and any(disk.by_id for disk in nas.pool.disks):
        wanted.append(("a whole disk", ("vms", fields.name, "nas", "pool", "disks")))
    for what, where in wanted:
        yield document.problem(where, f"{what} needs SSH to the node", hint)
