"""What the embedded node is doing, as a person wants to know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pvekit.adapters import pve as api


@dataclass(frozen=True, slots=True)
class Guest:
    """One VM of the node. ``state`` is PVE's word: running, stopped, unknown."""

    vmid: int
    name: str
    state: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabState:
    """A node that runs. ``folder`` holds everything it knows, ``fingerprint`` is its certificate's SHA-256."""

    endpoint: str
    fingerprint: str
    token_id: str
    pid: int
    folder: str
    hollow: bool
    guests: tuple[Guest, ...]


def look(state: Path) -> LabState | None:
    """Return what the node on this folder is doing; None when none runs. Starts nothing."""
    from pvekit.lab import control

    node = control.status(state)
    if node is None:
        return None
    token = api.Token(node.token_id, node.token_secret)
    endpoint = api.Endpoint((node.endpoint,), api.Trust((node.fingerprint,)), token)
    with api.Pve.open(endpoint) as pve:
        rows = api.resources(pve).vms
    guests = tuple(Guest(row.vmid, row.name, row.status, row.tags) for row in rows)
    return LabState(node.endpoint, node.fingerprint, node.token_id, node.pid, str(state), node.hollow, guests)
