"""``memory``: MiB, in PVE's newer form a property string."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import INT, Property, key


@dataclass(frozen=True, slots=True)
class Memory(Property):
    """``2048`` or ``current=2048`` (MiB)."""

    DEFAULT_KEY: ClassVar[str | None] = "current"

    current: int | None = key("current", INT, default="512")


parse = Memory.parse
