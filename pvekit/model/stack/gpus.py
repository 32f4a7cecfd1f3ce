"""Cards of the nodes that VMs get whole: which card is meant, and how a VM sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class GpuMatch:
    """What is known about a card; everything given must hold.

    ``id`` and ``subsystem`` are vendor and device in hex (``10de:1c07``), ``slot`` is the number of the physical slot
    as the board's firmware tells it, ``address`` a PCI address with domain (``0000:02:00.0``; without a function it
    means the whole card).
    """

    id: str | None = None
    subsystem: str | None = None
    slot: int | None = None
    address: str | None = None

    def __str__(self) -> str:
        """Return it as messages name it: ``id 10de:1c07, slot 5``."""
        named = {"id": self.id, "subsystem": self.subsystem, "slot": self.slot, "address": self.address}
        return ", ".join(f"{key} {value}" for key, value in named.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A card under the name that VMs use.

    ``node`` None means any node of the stack's VMs that has it. ``functions`` is ``all`` (a graphics card's sound comes
    along) or ``matched`` (only what the match means).
    """

    name: str
    match: GpuMatch
    node: str | None = None
    functions: Literal["all", "matched"] = "all"


@dataclass(frozen=True, slots=True)
class VmGpu:
    """A card in a VM. ``name`` is a key of ``Stack.gpus``; ``primary`` makes it the VM's first display.

    ``rombar`` shows the guest the card's firmware, ``romfile`` is a file below /usr/share/kvm on the node, used for it.
    """

    name: str
    primary: bool = False
    rombar: bool = True
    romfile: str | None = None
