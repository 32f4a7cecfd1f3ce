"""One request on its way to a handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvekit.lab.access.caller import Caller

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab
    from pvekit.lab.websocket import WebSocket


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with the request, already on disk under a temporary name."""

    path: Path
    filename: str
    size: int


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler sees: the checked parameters, who asks, and the node itself."""

    lab: Lab
    caller: Caller
    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, list[str]] = field(default_factory=dict)
    upload: Upload | None = None

    @property
    def node(self) -> str:
        """Return the node named in the path."""
        return self.params.get("node", self.lab.settings.nodes[0])

    @property
    def vmid(self) -> int:
        """Return the VMID parameter."""
        return int(self.params["vmid"])

    def get(self, name: str, default: str = "") -> str:
        """Return a parameter's text."""
        return self.params.get(name, default)

    def number(self, name: str, default: int = 0) -> int:
        """Return a parameter as a whole number."""
        return int(self.params.get(name, default))

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean parameter."""
        return self.params.get(name, "1" if default else "0") == "1"


@dataclass(frozen=True, slots=True)
class Reply:
    """Data with more top-level keys beside it (``total``)."""

    data: Any
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The connection becomes a WebSocket; ``talk`` gets it and returns when the conversation is over."""

    talk: Callable[[WebSocket], None]
