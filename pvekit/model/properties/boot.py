"""``boot``: the order of boot devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import LIST, Property, key


@dataclass(frozen=True, slots=True)
class Boot(Property):
    """``order=scsi0;ide2;net0``. ``legacy`` is the old letter form (``cdn``)."""

    DEFAULT_KEY: ClassVar[str | None] = "legacy"

    legacy: str | None = key("legacy")
    order: tuple[str, ...] | None = key("order", LIST)


parse = Boot.parse
