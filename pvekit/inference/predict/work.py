"""What one token asks of a device, as the sums of the fitted formulas take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.inference.demand import CACHE_BYTES, Demand
from pvekit.inference.hardware import Isa

_WEIGHT_BYTES: Mapping[str, float] = {
    "F32": 4.0, "F16": 2.0, "BF16": 2.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32, "Q4_1": 20 / 32, "Q5_0": 22 / 32,
    "Q5_1": 24 / 32, "Q2_K": 84 / 256, "Q3_K": 110 / 256, "Q4_K": 144 / 256, "Q5_K": 176 / 256, "Q6_K": 210 / 256,
    "IQ4_NL": 18 / 32, "IQ4_XS": 136 / 256, "IQ3_S": 110 / 256, "IQ3_XXS": 98 / 256, "IQ2_XS": 74 / 256,
    "MXFP4": 17 / 32,
}  # fmt: skip
_COST: Mapping[str, float] = {
    "F32": 1.0, "F16": 0.9, "BF16": 1.0, "Q8_0": 0.6, "Q4_0": 0.75, "Q4_1": 0.8, "Q5_0": 1.1, "Q5_1": 1.15, "Q2_K": 1.1,
    "Q3_K": 1.3, "Q4_K": 1.0, "Q5_K": 1.15, "Q6_K": 1.15, "IQ4_NL": 0.9, "IQ4_XS": 1.0, "IQ3_S": 2.5, "IQ3_XXS": 2.5,
    "IQ2_XS": 2.5, "MXFP4": 1.0,
}  # fmt: skip
"""Time to unpack and multiply one weight, Q4_K's being 1: the relative speed of llama.cpp's CPU kernels."""
_PLAIN_SSE: Mapping[str, float] = {"Q4_0": 0.27, "Q8_0": 0.35}
"""Without AVX only these have kernels of their own (SSSE3): Q4_0 was measured at 3.4 GB/s a core, Q4_K at 0.9."""
MIXED_TYPES: Mapping[str, str] = {
    "Q4_K_M": "Q4_K", "Q4_K_S": "Q4_K", "Q5_K_M": "Q5_K", "Q5_K_S": "Q5_K", "Q3_K_S": "Q3_K", "Q3_K_M": "Q3_K",
    "Q3_K_L": "Q3_K",
}  # fmt: skip
"""The type most of a mixture's bytes have."""
CACHE_SHARE = 0.7
"""Share of the rate of weights at which the KV cache is read: rows are shorter, and softmax lies between."""


@dataclass(frozen=True, slots=True)
class Work:
    """One token's work on one device.

    ``read`` and ``cache`` in bytes, ``weights`` multiply-adds times their type's cost, ``parameters`` multiply-adds,
    ``attention`` operations of scores and sums, ``experts`` the part of ``read`` that lies in routed experts.
    """

    read: float
    cache: float
    layers: float
    weights: float
    parameters: float
    attention: float = 0.0
    experts: float = 0.0

    def times(self, share: float) -> Work:
        """Return that share of the work."""
        return Work(*(value * share for value in (
            self.read, self.cache, self.layers, self.weights, self.parameters, self.attention, self.experts,
        )))  # fmt: skip


def cost(kind: str, isa: Isa | None = None) -> float:
    """Return the cost of one weight of a ggml type on instructions, Q4_K with AVX2 being 1."""
    if isa is Isa.SSE42 and kind in _PLAIN_SSE:
        return _PLAIN_SSE[kind]
    return _COST.get(kind, 1.0)


def per_weight(kind: str) -> float:
    """Return the bytes of one weight of a ggml type."""
    return _WEIGHT_BYTES.get(kind, 0.6)


def mean_cost(demand: Demand, isa: Isa | None) -> float:
    """Return the mean cost of a model's weights."""
    kinds = demand.types or {MIXED_TYPES.get(demand.quant, demand.quant): demand.read}
    counts = {kind: size / per_weight(kind) for kind, size in kinds.items()}
    total = sum(counts.values())
    return sum(cost(kind, isa) * count for kind, count in counts.items()) / total if total else 1.0


def work(demand: Demand, depth: int, isa: Isa | None = None, on: slice = slice(None), *, head: bool = True) -> Work:
    """Return the work of the layers ``on``, and of the output head where it lies there, ``depth`` tokens deep."""
    layers = demand.layers[on]
    parameters = sum(layer.parameters for layer in layers) + (demand.output_parameters if head else 0)
    f16 = CACHE_BYTES["f16"]
    with_cache = [layer.attention for layer in layers if layer.attention]
    return Work(
        read=sum(layer.read for layer in layers) + (demand.output if head else 0),
        cache=sum(each.tokens(depth) * (each.key + each.value) * f16 for each in with_cache),
        layers=len(layers),
        weights=parameters * mean_cost(demand, isa),
        parameters=parameters,
        attention=sum(4 * each.width * each.tokens(depth) for each in with_cache),
        experts=sum(layer.experts_read for layer in layers),
    )
