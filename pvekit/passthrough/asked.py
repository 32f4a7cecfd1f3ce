"""What the person asked to be judged."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.model.pci import Bdf


@dataclass(frozen=True, slots=True)
class Asked:
    """``--vm`` and ``--device``; None: find out from the evidence."""

    vmid: int | None = None
    device: Bdf | None = None
