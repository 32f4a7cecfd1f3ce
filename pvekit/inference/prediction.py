"""What a machine is said to do with a model, before anybody measures it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Bound(StrEnum):
    """What limits a speed, or whether there is one at all."""

    BANDWIDTH = "memory bandwidth"
    COMPUTE = "compute"
    INSTRUCTIONS = "instruction set"
    OVERHEAD = "overhead per token"
    PCIE = "PCIe"
    CAPACITY = "capacity"


@dataclass(frozen=True, slots=True)
class Range:
    """Tokens per second: 80 of 100 machines of the kind are said to lie between ``low`` and ``high``."""

    low: float
    value: float
    high: float


@dataclass(frozen=True, slots=True)
class Term:
    """One part of the sum: ``seconds`` per token (decode) or per prompt token (prefill), and how it came about."""

    name: str
    seconds: float
    how: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Speed with ``depth`` tokens already there."""

    depth: int
    rate: Range
    bound: Bound
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Bytes by where they go, in one place: main memory or one card.

    ``copies`` are weights that a processor keeps a second time in the order of its instructions. ``total`` is what the
    process holds then (its resident set); the file's pages below the copies are never read again, so the kernel takes
    them back when memory is short, and ``needed`` leaves them out.
    """

    place: str
    have: int | None
    weights: int
    cache: int
    compute: int
    other: int
    copies: int = 0

    @property
    def total(self) -> int:
        """Return the sum."""
        return self.needed + self.copies

    @property
    def needed(self) -> int:
        """Return the bytes without which it becomes slow."""
        return self.weights + self.cache + self.compute + self.other

    @property
    def fits(self) -> bool | None:
        """Return whether it fits; None where nobody knows how much there is."""
        return None if self.have is None else self.needed <= self.have


@dataclass(frozen=True, slots=True)
class Prediction:
    """One model on one machine. ``gpu_layers`` is how many layers lie on cards."""

    model: str
    quant: str
    hardware: str
    context: int
    gpu_layers: int
    layers: int
    memory: tuple[MemoryUse, ...]
    decode: tuple[Speed, ...]
    prefill: tuple[Speed, ...]
    basis: str
    """``specification``, or ``probe`` when a measurement on the machine went in."""
    notes: tuple[str, ...] = ()
