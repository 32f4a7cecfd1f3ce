"""``usb0`` ...: a USB device of the host given to the VM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, LOWER, Property, key


@dataclass(frozen=True, slots=True)
class Usb(Property):
    """``mapping=stick,usb3=1``, ``spice`` or, for root only, ``host=1234:5678``."""

    DEFAULT_KEY: ClassVar[str | None] = "host"

    host: str | None = key("host", LOWER)
    mapping: str | None = key("mapping")
    usb3: bool | None = key("usb3", BOOL, default="0")

    def __str__(self) -> str:
        """Return it as PVE writes it: host= named, spice bare."""
        pairs = self.pairs()
        return ",".join(value if value == "spice" else f"{name}={value}" for name, value in pairs.items())


parse = Usb.parse
