"""What Windows Setup is told, complete: everything that goes onto an answer CD besides files of others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from pvekit.model.errors import PreflightRefused

STEPS = (
    "guest-tools",
    "agent-service",
    "openssh",
    "ssh-keys",
    "power",
    "rdp",
    "updates",
    "autologon-off",
    "panther-clean",
    "done",
)
"""The steps of the first logon, in their order; done.json names them."""
DRIVERS = ("vioscsi", "NetKVM", "viostor", "vioserial", "Balloon")
"""Folders below pvekit/drivers. The first two are loaded in WinPE, all of them are put into Windows."""

# The size that Windows' own query gives ends at a full cylinder of 255 heads and 63 sectors: up to 7.9 MiB less.
_CYLINDER_SLACK = 16 << 20


class Hidden(Protocol):
    """A text that shows itself on request only."""

    def reveal(self) -> str:
        """Return the text."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """A local account. ``admin`` puts it into the group Administrators."""

    name: str
    password: Hidden
    admin: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer file with its scripts.

    ``accounts[0]`` logs on once by itself and runs the first-logon script, so it is an administrator. Languages are
    BCP 47 tags: ``setup_language`` is what Setup itself speaks, ``language`` Windows' own, ``locale`` how dates and
    numbers look, ``keyboard`` the layout. ``timezone`` is Windows' name of it, empty for Windows' own choice.
    ``disk_min`` and ``disk_max`` are bytes. The image is taken by its name where ``by_name`` is set and cmd can quote
    the name, by its index otherwise. ``updates`` is security, all or none.
    """

    computer: str
    release: int
    edition_id: str
    image_name: str
    image_index: int
    setup_language: str
    language: str
    locale: str
    keyboard: str
    timezone: str
    accounts: tuple[Account, ...]
    ssh_keys: tuple[str, ...]
    disk_min: int
    disk_max: int
    by_name: bool = True
    rdp: bool = True
    updates: str = "security"
    key: Hidden | None = field(default=None, repr=False)
    architecture: str = "amd64"


def disk_range(size_bytes: int) -> tuple[int, int]:
    """Return the least and the greatest size that Windows may report for a disk of ``size_bytes``."""
    return size_bytes - _CYLINDER_SLACK, size_bytes + _CYLINDER_SLACK


# Type, base64, and a comment of printable characters: one line, whatever takes the comment for a line end.
_PUBLIC_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[A-Za-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}(?: .*)?")


def public_key(text: str) -> str:
    """Return an SSH public key as one clean line. PreflightRefused when it is none."""
    line = text.strip()
    if not _PUBLIC_KEY.fullmatch(line) or not line.isprintable():
        raise PreflightRefused(
            [f"{line[:24]!r}… is no SSH public key"],
            hint="Write the line of a .pub file: ssh-ed25519 AAAA… comment. Options before the type are not taken.",
        )
    return line
