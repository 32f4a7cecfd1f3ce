"""The names of the images in a WIM file."""

from __future__ import annotations

import struct
import xml.etree.ElementTree as ET
from pathlib import Path


def image_names(path: Path) -> list[str]:
    """Return the names in their order. Raises ValueError if the file is no WIM."""
    with path.open("rb") as file:
        header = file.read(208)
        if header[:8] != b"MSWIM\0\0\0":
            raise ValueError(f"{path.name} is no WIM file")
        size, offset = struct.unpack_from("<QQ", header, 72)
        file.seek(offset)
        text = file.read(size & (1 << 56) - 1).decode("utf-16")
    return [image.findtext("NAME", "") for image in ET.fromstring(text).iter("IMAGE")]
