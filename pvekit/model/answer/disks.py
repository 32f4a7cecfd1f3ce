"""Checks of the partitions that an answer file makes: that they are there, fit, and that the PC starts from them."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.model.answer.finding import Finding, at
from pvekit.model.answer.tree import Node

Found = Iterator[Finding]


def check(setup: Node) -> Found:
    """Yield the mistakes in DiskConfiguration and ImageInstall of the component Microsoft-Windows-Setup."""
    made: dict[str, list[Node]] = {}
    formats: dict[tuple[str, int], Node] = {}
    configuration = setup.child("DiskConfiguration")
    for disk in configuration.children if configuration is not None else []:
        number, parts = _text(disk, "DiskID"), disk.child("CreatePartitions")
        if not number or parts is None:
            continue
        made[number] = parts.children
        yield from _sizes(parts.children)
        changes = disk.child("ModifyPartitions")
        for change in changes.children if changes is not None else []:
            yield from _target(change, number, made)
            style = change.child("Format")
            if style is not None:
                formats[number, _number(change, "PartitionID")] = style
    yield from _starts(made, formats)
    target = setup.find("ImageInstall/OSImage/InstallTo")
    if target is None or not made:
        return
    number = _text(target, "DiskID")
    if number and number not in made:
        yield at(target.child("DiskID") or target, f"Windows goes to disk {number}, which is not set up here")
    elif number:
        yield from _target(target, number, made)
        style = formats.get((number, _number(target, "PartitionID")))
        if style is not None and style.value == "FAT32":
            yield at(style, "Windows goes to this partition", "It needs NTFS.")


def _target(node: Node, disk: str, made: dict[str, list[Node]]) -> Found:
    part = node.child("PartitionID")
    if part is not None and _number(node, "PartitionID") > len(made[disk]):
        yield at(part, f"disk {disk} has no partition {part.value}")


def _sizes(parts: list[Node]) -> Found:
    """Yield partitions without a size, with two, or behind one that takes the rest of the disk."""
    full = False
    for part in parts:
        fills = _text(part, "Extend") == "true"
        if full:
            yield at(part, "the partition before this one takes the rest of the disk", "Write Extend for the last one.")
        if fills == (part.child("Size") is not None):
            yield at(part, "a partition has either Size or Extend true")
        full = full or fills


def _starts(made: dict[str, list[Node]], formats: dict[tuple[str, int], Node]) -> Found:
    """Yield what keeps UEFI from starting the PC: no EFI partition, several, or one that is not FAT32."""
    efi = [
        (disk, _number(part, "Order"), part)
        for disk, parts in made.items()
        for part in parts
        if _text(part, "Type") == "EFI"
    ]
    if made and not efi:
        first = next(iter(made.values()))
        yield from (
            [at(first[0], "no partition is for EFI", "A PC with UEFI starts from none of these.")] if first else []
        )
    seen: set[str] = set()
    for disk, number, part in efi:
        if disk in seen:
            yield at(part, f"disk {disk} has a second EFI partition", "One is enough.")
        seen.add(disk)
        style = formats.get((disk, number))
        if style is not None and style.value != "FAT32":
            yield at(style, "this is the EFI partition", "UEFI reads FAT32 only.")


def _text(node: Node, name: str) -> str:
    child = node.child(name)
    return child.value if child is not None else ""


def _number(node: Node, name: str) -> int:
    text = _text(node, name)
    return int(text) if text.isascii() and text.isdecimal() else 0
