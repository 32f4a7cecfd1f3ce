"""The shape of a model: all that its tensors follow from, and no weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Experts:
    """A mixture: ``count`` routed experts of which each token uses ``used``; ``shared`` run for every token.

    ``dense`` is how many of the first layers have one ordinary feed-forward part instead.
    """

    count: int
    used: int
    feed_forward: int
    shared: int = 0
    dense: int = 0


@dataclass(frozen=True, slots=True)
class Window:
    """Sliding windows of ``tokens``: every ``every``-th layer looks at everything (0: no layer does)."""

    tokens: int
    every: int

    def of(self, layer: int) -> int | None:
        """Return how far this layer looks back; None for everything."""
        return None if self.every and (layer + 1) % self.every == 0 else self.tokens


@dataclass(frozen=True, slots=True)
class Latent:
    """Multi-head latent attention: what is kept of a token is ``rank`` numbers and ``rope`` for its place."""

    rank: int
    rope: int
    nope: int
    value: int
    query_rank: int = 0


@dataclass(frozen=True, slots=True)
class Shape:
    """One model. Lengths are numbers of elements; ``head`` is the length of one attention head."""

    name: str
    architecture: str
    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head: int
    vocabulary: int
    context: int
    tied: bool = False
    experts: Experts | None = None
    window: Window | None = None
    latent: Latent | None = None
    rope_factors: int = 0
    """Entries of a table of rotary factors, which newer Llamas carry."""
