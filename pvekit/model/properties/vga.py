"""``vga``: the display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import INT, Property, key


@dataclass(frozen=True, slots=True)
class Vga(Property):
    """``std,memory=32`` (MiB)."""

    DEFAULT_KEY: ClassVar[str | None] = "type"

    type: str | None = key("type", default="std")
    memory: int | None = key("memory", INT)
    clipboard: str | None = key("clipboard")


parse = Vga.parse
