"""Makes, changes and removes resource mappings of PCI devices."""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.adapters.pve.client import Pve

_PATH = "/cluster/mapping/pci"


def create_mapping(pve: Pve, name: str, entries: Sequence[str], description: str) -> None:
    """Make a mapping. Conflict (EXISTS) when there is one with this name, be it out of the asker's sight."""
    pve.request("POST", _PATH, {"id": name, "map": list(entries), "description": description})


def change_mapping(pve: Pve, name: str, entries: Sequence[str], description: str, digest: str) -> None:
    """Replace all entries of a mapping. Conflict (STALE) when any mapping was changed since the digest was read."""
    body = {"map": list(entries), "description": description, "digest": digest}
    pve.request("PUT", f"{_PATH}/{name}", body)


def delete_mapping(pve: Pve, name: str) -> None:
    """Remove a mapping; PVE does not mind when there is none."""
    pve.request("DELETE", f"{_PATH}/{name}")
