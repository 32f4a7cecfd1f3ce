"""What a model asks of a machine: bytes held, bytes read and multiply-adds per token, layer by layer.

Every number comes from the tensors of a file or of a shape in a quantisation; nothing here is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CACHE_BYTES: Mapping[str, float] = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0,
    "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32, "q4_0": 18 / 32, "iq4_nl": 18 / 32,
}  # fmt: skip
"""Bytes per element of a KV cache, by the name llama.cpp takes."""


@dataclass(frozen=True, slots=True)
class Attention:
    """What one layer keeps of every token, and what it computes with it.

    ``key`` and ``value`` are elements per token (heads times length, after grouping; a latent cache counts as ``key``).
    ``width`` is the elements of all ``heads`` query heads, ``window`` the tokens a sliding-window layer looks back at
    most.
    """

    key: int
    value: int
    width: int
    window: int | None = None
    heads: int = 0

    def tokens(self, depth: int) -> int:
        """Return how many of ``depth`` tokens before it one token looks at."""
        return depth if self.window is None else min(depth, self.window)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer. ``read`` bytes per decoded token (of routed experts only those used), ``held`` bytes in memory.

    ``parameters`` are the multiply-adds per token (2 operations each). ``attention`` is None in a layer that keeps no
    cache. ``experts_held`` and ``experts_read`` are the parts of ``held`` and ``read`` that are routed experts.
    ``scratch`` is the elements per token that the layer's largest step needs at once, beside the rows of the model's
    width. ``orderable`` are the bytes held, by ggml type, of matrices that llama.cpp can put in another order for a
    processor.
    """

    read: int
    held: int
    parameters: int
    attention: Attention | None
    experts_held: int = 0
    experts_read: int = 0
    scratch: int = 0
    orderable: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Demand:
    """One model in one quantisation.

    ``embedding`` is the bytes of the token table, of which a token reads one row; ``output`` the bytes of the head that
    are read whole for every token (the token table again when the model ties the two: then ``tied`` is true and
    the bytes are held once). ``types`` splits the bytes read per token by ggml type (``Q4_K``). ``file`` is the size of
    the file. ``orderable`` is of the output what it is of a layer.
    """

    name: str
    quant: str
    architecture: str
    layers: tuple[Layer, ...]
    embedding: int
    output: int
    output_parameters: int
    width: int
    vocabulary: int
    trained_context: int
    file: int
    tied: bool = False
    types: Mapping[str, int] = field(default_factory=dict)
    orderable: tuple[tuple[str, int], ...] = ()

    @property
    def read(self) -> int:
        """Return the bytes of weights read for one decoded token."""
        return self.output + sum(layer.read for layer in self.layers)

    @property
    def held(self) -> int:
        """Return the bytes of all weights in memory."""
        return (self.embedding if not self.tied else 0) + self.output + sum(layer.held for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Return the multiply-adds of one token."""
        return self.output_parameters + sum(layer.parameters for layer in self.layers)

    @property
    def mixture(self) -> bool:
        """Return whether the model routes tokens to experts."""
        return any(layer.experts_held for layer in self.layers)

    def cache(self, tokens: int, key: str = "f16", value: str = "f16") -> int:
        """Return the bytes one token reads of the KV cache when ``tokens`` lie before it."""
        return round(sum(
            layer.attention.tokens(tokens)
            * (layer.attention.key * CACHE_BYTES[key] + layer.attention.value * CACHE_BYTES[value])
            for layer in self.layers if layer.attention
        ))  # fmt: skip
