"""Reads installation media (Windows ISOs, virtio-win) without unpacking them and without foreign libraries."""

from pvekit.adapters.media.source import ByteSource, BytesSource, FileSource, open_source
from pvekit.adapters.media.virtio import DRIVERS, GUEST_TOOLS, drivers
from pvekit.adapters.media.windows import read_media
from pvekit.model.media import WindowsImage, WindowsMedia, choose
from pvekit.model.productkey import ProductKey, check_key, install_key

__all__ = [
    "DRIVERS",
    "GUEST_TOOLS",
    "ByteSource",
    "BytesSource",
    "FileSource",
    "ProductKey",
    "WindowsImage",
    "WindowsMedia",
    "check_key",
    "choose",
    "drivers",
    "install_key",
    "open_source",
    "read_media",
]
