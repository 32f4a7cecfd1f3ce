"""Mistakes in a Windows VM that show only when several fields are seen together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pvekit.model.errors import Problem
from pvekit.model.stack import home_shape, shape
from pvekit.model.stack.fields import Fields
from pvekit.model.stack.problems import nearest
from pvekit.model.stack.text import Document, Path

Found = Iterator[Problem]

RESERVED = frozenset(
    {
        "administrator",
        "guest",
        "defaultaccount",
        "wdagutilityaccount",
        "system",
        "localservice",
        "networkservice",
        "none",
        *("con", "prn", "aux", "nul"),
        *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10)),
    }
)
"""Names that Windows keeps for itself, compared without case."""
_NAME_LIMIT = 15


def check(fields: Fields, document: Document, stack: shape.StackShape) -> Found:
    """Yield every mistake of a Windows VM."""
    yield from _basics(fields, document)
    yield from _computer_name(fields.name, document)
    yield from _disks(fields, document)
    yield from _users(fields, document)
    rdp, path = fields.part("windows", "rdp")
    if rdp and fields.part("windows", "edition")[0] == "home":
        yield document.problem(path, "Windows Home cannot be reached by RDP", "Remove rdp, or choose edition: pro.")
    for key in ("drivers", "openssh"):
        name, path = fields.part("windows", key)
        if name is not None and name not in stack.images:
            yield document.problem(path, f"there is no image {name!r} under images", nearest(name, stack.images))


def _basics(fields: Fields, document: Document) -> Found:
    here: Path = ("vms", fields.name)
    if fields["image"] is None and not fields.was_cut(document, "image"):
        yield document.problem(here, "image is missing", "Name an ISO under images: Windows' own setup CD.")
    if fields["password"] is None and not fields.was_cut(document, "password"):
        hint = "Windows has no account without one: password: env:NAME, file:PATH or cmd:PROGRAM ARGS."
        yield document.problem(here, "password is missing", hint)
    firmware, path = fields.find("firmware")
    if firmware != "ovmf" and not fields.was_cut(document, "firmware"):
        yield document.problem(path, "Windows is installed with UEFI", "Remove firmware, or write ovmf.")
    balloon, path = fields.find("balloon")
    if balloon is not None:
        yield document.problem(path, "ballooning slows Windows down", "Remove balloon for this VM.")


def _computer_name(name: str, document: Document) -> Found:
    if len(name) > _NAME_LIMIT:
        text = f"{name} is longer than the {_NAME_LIMIT} characters that Windows allows a computer"
        yield document.problem(("vms", name), text, "Choose a shorter name.")
    if name.isdigit():
        yield document.problem(("vms", name), "a Windows computer name is not digits alone", "Add a letter.")


def _disks(fields: Fields, document: Document) -> Found:
    disks: list[shape.DiskShape] | None = fields["disks"]
    path = fields.find("disks")[1]
    if disks == []:
        yield document.problem(path, "Windows needs a disk", "For example: - {size: 64GiB}")
    elif disks and (disks[0].slot or "scsi0") != "scsi0":
        text = f"Windows is installed on scsi0, not {disks[0].slot}"
        yield document.problem((*path, 0, "slot"), text, "Leave slot away for the first disk.")


def _users(fields: Fields, document: Document) -> Found:
    owner, path = fields.find("user")
    if owner.casefold() in RESERVED or owner == fields.name:
        yield document.problem(path, f"Windows keeps the name {owner} for itself", "Choose another name.")
    found: Any
    found, path = fields.part("windows", "users")
    users: Sequence[home_shape.WindowsUserShape] = found or ()
    seen = {owner.casefold()}
    for at, user in enumerate(users):
        here = (*path, at, "name")
        name = user.name.casefold()
        if name in seen:
            yield document.problem(here, f"the user {user.name} stands twice", "Case makes no difference in Windows.")
        if name in RESERVED or name == fields.name:
            yield document.problem(here, f"Windows keeps the name {user.name} for itself", "Choose another name.")
        seen.add(name)
