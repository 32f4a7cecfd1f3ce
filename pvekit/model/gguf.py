"""A GGUF file as its header describes it: metadata and tensors, without the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.model.ggml import BY_NUMBER, Kind

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Long:
    """An array too long to be kept (a vocabulary, say): how many entries it has."""

    count: int


Value = Scalar | tuple[Scalar, ...] | Long


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor. ``shape`` has the row's length first; ``offset`` counts from the start of the data."""

    name: str
    shape: tuple[int, ...]
    number: int
    offset: int

    @property
    def kind(self) -> Kind:
        """Return the type."""
        return BY_NUMBER[self.number]

    @property
    def bytes(self) -> int:
        """Return the size of its data."""
        return self.kind.size(self.shape)


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A header. ``data`` is where the weights begin; ``size`` is the whole file's, None where nobody said."""

    where: str
    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    data: int
    size: int | None

    @property
    def architecture(self) -> str:
        """Return ``general.architecture``; empty when it is not there."""
        found = self.metadata.get("general.architecture")
        return found if isinstance(found, str) else ""

    def number(self, key: str, default: int | None = None) -> int | None:
        """Return a whole number of the metadata, below the architecture's name; of a list the greatest."""
        found = self.metadata.get(f"{self.architecture}.{key}")
        if isinstance(found, tuple):
            numbers = [entry for entry in found if isinstance(entry, int)]
            return max(numbers, default=default)
        return found if isinstance(found, int) and not isinstance(found, bool) else default
