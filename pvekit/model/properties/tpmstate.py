"""``tpmstate0``: where the virtual TPM keeps its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import SIZE, Property, key


@dataclass(frozen=True, slots=True)
class TpmState(Property):
    """``local-lvm:1,version=v2.0``. The version can never be changed; PVE sets the size."""

    DEFAULT_KEY: ClassVar[str | None] = "file"
    ALIASES: ClassVar[dict[str, str]] = {"volume": "file"}

    volume: str | None = key("file")
    import_from: str | None = key("import-from")
    version: str | None = key("version", default="v1.2")
    format: str | None = key("format")
    size: int | None = key("size", SIZE)


parse = TpmState.parse
