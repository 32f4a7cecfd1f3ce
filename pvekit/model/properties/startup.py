"""``startup``: the order of starting with the node. Setting it needs Sys.Modify on / besides the VM's rights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pvekit.model.properties.base import INT, Property, key


@dataclass(frozen=True, slots=True)
class Startup(Property):
    """``order=1,up=30,down=60`` (seconds)."""

    DEFAULT_KEY: ClassVar[str | None] = "order"

    order: int | None = key("order", INT)
    up: int | None = key("up", INT)
    down: int | None = key("down", INT)

    def __str__(self) -> str:
        """Return it as PVE writes it, with every key named."""
        return ",".join(f"{name}={value}" for name, value in self.pairs().items())


parse = Startup.parse
