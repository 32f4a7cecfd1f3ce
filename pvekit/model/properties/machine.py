"""``machine``: the chipset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, Property, key

_PINNED = re.compile(r"(?:pc-)?(q35|i440fx)-[0-9]+(?:\.[0-9]+)+.*|pc-[0-9]+(?:\.[0-9]+)+.*")


@dataclass(frozen=True, slots=True)
class Machine(Property):
    """``q35``, ``pc`` or a pinned version such as ``pc-q35-9.2+pve1``, which PVE writes for Windows."""

    DEFAULT_KEY: ClassVar[str | None] = "type"

    type: str | None = key("type", default="pc")
    viommu: str | None = key("viommu")
    enable_s3: bool | None = key("enable-s3", BOOL)
    enable_s4: bool | None = key("enable-s4", BOOL)

    @property
    def chipset(self) -> str:
        """Return q35, i440fx, or the type itself for other architectures."""
        if self.type in (None, "pc"):
            return "i440fx"
        match = _PINNED.fullmatch(self.type)
        return (match[1] or "i440fx") if match else self.type


parse = Machine.parse
