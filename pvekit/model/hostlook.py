"""What a host tells about the files that it starts with: the answer of templates/host/passthrough.py look."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pvekit.model.hostchange import VERSION, to_text

GRUB = "grub"
PROXMOX_GRUB = "proxmox-grub"
PROXMOX_SYSTEMD_BOOT = "proxmox-systemd-boot"
"""Boot loaders that can be changed; the latter two are kept on every ESP by proxmox-boot-tool."""


@dataclass(frozen=True, slots=True)
class JournalState:
    """The newest change set on the host that is not undone. ``booted``: this boot is its trial's."""

    name: str
    phase: str
    open: bool
    steps: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    trial: bool = False
    booted: bool = False

    @property
    def done(self) -> int:
        """Return how many steps are done."""
        return sum(state == "done" for _, state in self.steps)


@dataclass(frozen=True)
class HostLook:
    """``loader`` is what really started the host, ``initramfs`` the program that makes it; both may be unknown.

    ``files`` are those that are there; ``unreadable`` those that could not be read, with the reason. ``once`` is why no
    entry can be made for one boot ("": it can). ``images`` are the kernels that have an initramfs. ``esps``:
    proxmox-boot-tool copies them to partitions of its own.
    """

    loader: str
    loader_why: str
    cmdline: str
    release: str
    images: tuple[str, ...]
    initramfs: str
    esps: bool
    once: str
    files: Mapping[str, str]
    unreadable: Mapping[str, str]
    next: str
    journal: JournalState | None


def parse_look(text: str) -> HostLook:
    """Read the answer. Raises ValueError when it is none."""
    value = parse_answer(text)
    if value.get("version") != VERSION:
        raise ValueError(f"an answer of version {value.get('version')!r}")
    files: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    try:
        for path, entry in value["files"].items():
            if entry is not None and "problem" in entry:
                unreadable[path] = str(entry["problem"])
            elif entry is not None:
                files[path] = to_text(base64.b64decode(entry["content"], validate=True))
        texts = {name: str(value[name]) for name in ("loader", "loader_why", "cmdline", "release", "initramfs", "once")}
        images = tuple(str(name) for name in value["images"])
        return HostLook(
            **texts, images=images, esps=bool(value["esps"]), files=files, unreadable=unreadable,
            next=str(value["next"]), journal=parse_journal(value["journal"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the answer lacks {error}") from error


def parse_answer(text: str) -> dict[str, Any]:
    """Return the object in what the program printed; a login script may have printed before it. Raises ValueError."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise ValueError(f"no answer in {text.strip()[-120:]!r}")
    value: dict[str, Any] = json.loads(lines[-1])
    return value


def parse_journal(value: Mapping[str, Any] | None) -> JournalState | None:
    """Return the state of a journal; None when there is none."""
    if value is None:
        return None
    return JournalState(
        name=str(value["name"]),
        phase=str(value["phase"]),
        open=bool(value["open"]),
        steps=tuple((str(step["what"]), str(step["state"])) for step in value["steps"]),
        notes=tuple(str(note) for note in value["notes"]),
        skipped=tuple(str(name) for name in value["skipped"]),
        trial=value.get("trial") is not None,
        booted=bool(value.get("booted")),
    )
