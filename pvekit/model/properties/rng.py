"""``rng0``: randomness for the guest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import INT, Property, key


@dataclass(frozen=True, slots=True)
class Rng(Property):
    """``source=/dev/urandom,max_bytes=1024,period=1000`` (bytes per milliseconds)."""

    DEFAULT_KEY: ClassVar[str | None] = "source"

    source: str | None = key("source")
    max_bytes: int | None = key("max_bytes", INT, default="1024")
    period: int | None = key("period", INT, default="1000")

    def __str__(self) -> str:
        """Return it as PVE writes it, with every key named."""
        return ",".join(f"{name}={value}" for name, value in self.pairs().items())


parse = Rng.parse
