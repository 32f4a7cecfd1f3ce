"""Memory by place: what llama-server allocates, weighed against what the machine has."""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware
from pvekit.inference.predict.split import CONTEXT_BYTES, Part, compute_bytes, usable
from pvekit.inference.prediction import MemoryUse

MAIN = "main memory"
_PROGRAM = 120 * 2**20
"""The program itself, its libraries and tokenizer."""
_SYSTEM = 1024**3
"""What the operating system keeps for itself."""


def uses(demand: Demand, hardware: Hardware, parts: Sequence[Part], context: int) -> tuple[MemoryUse, ...]:
    """Return what lies where. The token table stays in main memory, of which a token reads one row."""
    found = []
    for part in parts:
        layers = demand.layers[part.on]
        weights = sum(layer.held for layer in layers) + (demand.output if part.head else 0)
        cache = sum(
            2 * layer.attention.tokens(context) * (layer.attention.key + layer.attention.value)
            for layer in layers if layer.attention
        )  # fmt: skip
        if part.card is None:
            table = demand.embedding if not (demand.tied and part.head) else 0
            have = None if hardware.memory.capacity is None else max(hardware.memory.capacity - _SYSTEM, 0)
            buffers = compute_bytes(demand) if not part.empty else 0
            found.append(MemoryUse(MAIN, have, weights + table, cache, buffers, _PROGRAM))
        else:
            card = hardware.gpus[part.card]
            have = usable(card) + CONTEXT_BYTES
            found.append(MemoryUse(card.name, have, weights, cache, compute_bytes(demand), CONTEXT_BYTES))
    return tuple(found)


def missing(used: Sequence[MemoryUse], hardware: Hardware) -> int:
    """Return the bytes that fit nowhere and are read from disk again for every token; 0 where nobody knows."""
    del hardware
    return sum(max(each.total - each.have, 0) for each in used if each.have is not None)
