"""``hostpci0`` ...: a PCI device of the host given to the VM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, LOWER, Codec, Property, key


def _host(text: str) -> str:
    """Return the addresses with their PCI domain, lower case."""
    parts = text.lower().split(";")
    return ";".join(part if part.count(":") == 2 else f"0000:{part}" for part in parts)


_HOST = Codec(lambda text: text, lambda text: text, _host)


@dataclass(frozen=True, slots=True)
class HostPci(Property):
    """``mapping=gpu,pcie=1,x-vga=1`` or, for root only, ``0000:01:00.0;0000:01:00.1,pcie=1``."""

    DEFAULT_KEY: ClassVar[str | None] = "host"

    host: str | None = key("host", _HOST)
    mapping: str | None = key("mapping")
    pcie: bool | None = key("pcie", BOOL, default="0")
    rombar: bool | None = key("rombar", BOOL, default="1")
    romfile: str | None = key("romfile")
    x_vga: bool | None = key("x-vga", BOOL, default="0")
    mdev: str | None = key("mdev")
    legacy_igd: bool | None = key("legacy-igd", BOOL, default="0")
    driver: str | None = key("driver")
    vendor_id: str | None = key("vendor-id", LOWER)
    device_id: str | None = key("device-id", LOWER)
    sub_vendor_id: str | None = key("sub-vendor-id", LOWER)
    sub_device_id: str | None = key("sub-device-id", LOWER)


parse = HostPci.parse
