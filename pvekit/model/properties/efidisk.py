"""``efidisk0``: where OVMF keeps its variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import BOOL, SIZE, Property, key


@dataclass(frozen=True, slots=True)
class EfiDisk(Property):
    """``local-lvm:1,efitype=4m,pre-enrolled-keys=1``. PVE sets the size and, for enrolled keys, ``ms-cert``."""

    DEFAULT_KEY: ClassVar[str | None] = "file"
    ALIASES: ClassVar[dict[str, str]] = {"volume": "file"}

    volume: str | None = key("file")
    import_from: str | None = key("import-from")
    efitype: str | None = key("efitype", default="2m")
    pre_enrolled_keys: bool | None = key("pre-enrolled-keys", BOOL, default="0")
    ms_cert: str | None = key("ms-cert")
    format: str | None = key("format")
    size: int | None = key("size", SIZE)


parse = EfiDisk.parse
