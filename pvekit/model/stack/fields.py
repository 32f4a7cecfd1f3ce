"""A VM's fields with the defaults behind them, and pvekit's own behind those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvekit.model.stack import shape
from pvekit.model.stack.text import Document, Path

OWN: Mapping[str, Any] = {
    "kind": "",
    "image": None,
    "node": "auto",
    "cores": 2,
    "sockets": 1,
    "cpu": "x86-64-v2-AES",
    "memory": 2048,
    "balloon": None,
    "machine": "q35",
    "firmware": "seabios",
    "secure_boot": False,
    "tpm": False,
    "agent": True,
    "storage": "local-lvm",
    "iso_storage": "local",
    "image_storage": "local",
    "bridge": "vmbr0",
    "user": "ops",
    "password": None,
    "state": "running",
    "pool": None,
    "protection": False,
    "description": "",
    "timezone": None,
    "updates": "security",
}
"""pvekit's own defaults (memory in MiB)."""

OF_KIND: Mapping[str, Mapping[str, Any]] = {
    # No CPU type: it is chosen by the host.
    "windows": {"cores": 4, "cpu": "", "memory": 8192, "firmware": "ovmf", "secure_boot": True, "tpm": True},
    "nas": {"protection": True},
    "llama": {"cores": 4, "cpu": "", "memory": 8192},
}
"""What a kind wants otherwise."""


class Fields:
    """A VM's fields with the defaults behind them; ``path`` says where a value stands in the file."""

    def __init__(self, name: str, vm: shape.VmShape, defaults: shape.VmFields) -> None:
        self.name = name
        self.layers: tuple[tuple[Path, shape.VmFields], ...] = ((("vms", name), vm), (("defaults",), defaults))

    def find(self, key: str) -> tuple[Any, Path]:
        """Return the value that wins and its path; pvekit's own default has the VM's path."""
        for path, layer in self.layers:
            value = getattr(layer, key)
            if value is not None:
                return value, (*path, key)
        kind = OF_KIND.get(self["kind"], {}) if key != "kind" else {}
        return kind.get(key, OWN.get(key)), (*self.layers[0][0], key)

    def was_cut(self, document: Document, key: str) -> bool:
        """Return whether the file has a value for this key that was wrong."""
        return document.was_cut(*((*path, key) for path, _layer in self.layers))

    def __getitem__(self, key: str) -> Any:
        """Return the value that wins."""
        return self.find(key)[0]

    def part(self, key: str, inner: str) -> tuple[Any, Path]:
        """Return the winning value of a key inside a mapping (``start.order``), and its path."""
        for path, layer in self.layers:
            value = getattr(getattr(layer, key), inner, None)
            if value is not None:
                return value, (*path, key, inner)
        return None, (*self.layers[0][0], key)

    def merged(self, key: str, inner: str | None = None) -> list[tuple[Path, dict[str, Any]]]:
        """Return the layers of a free mapping, the default's first, so that later ones win."""
        found = []
        for path, layer in reversed(self.layers):
            value = getattr(layer, key)
            value = getattr(value, inner, None) if inner and value else value
            if value and not (inner and value is getattr(layer, key)):
                found.append(((*path, key, inner) if inner else (*path, key), value))
        return found
