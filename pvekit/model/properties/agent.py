"""``agent``: whether PVE talks to the QEMU guest agent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, Property, key


@dataclass(frozen=True, slots=True)
class Agent(Property):
    """``1,fstrim_cloned_disks=1``."""

    DEFAULT_KEY: ClassVar[str | None] = "enabled"
    ALIASES: ClassVar[dict[str, str]] = {"freeze-fs-on-backup": "freeze-fs", "guest-fsfreeze": "freeze-fs"}

    enabled: bool | None = key("enabled", BOOL, default="0")
    freeze_fs: bool | None = key("freeze-fs", BOOL, default="1")
    fstrim_cloned_disks: bool | None = key("fstrim_cloned_disks", BOOL, default="0")
    type: str | None = key("type", default="virtio")


parse = Agent.parse
