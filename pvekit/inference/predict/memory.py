"""Memory by place: what llama-server allocates, weighed against what the machine has."""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Hardware, Isa
from pvekit.inference.predict import buffers
from pvekit.inference.predict.buffers import Serving
from pvekit.inference.predict.split import CONTEXT_BYTES, Part, usable
from pvekit.inference.prediction import MemoryUse

MAIN = "main memory"
_SYSTEM = 1024**3
"""What the operating system keeps for itself; of a small machine a quarter."""


def uses(demand: Demand, hardware: Hardware, parts: Sequence[Part], serving: Serving) -> tuple[MemoryUse, ...]:
    """Return what lies where. The token table stays in main memory, of which a token reads one row.

    Main memory was compared with a running server; what lies on cards is counted by the same rules.
    """
    found = []
    for part in parts:
        layers = demand.layers[part.on]
        weights = sum(layer.held for layer in layers) + (demand.output if part.head else 0)
        cache = buffers.cache(layers, serving)
        compute = 0 if part.empty else buffers.compute(demand, layers, serving, head=part.head)
        if part.card is None:
            weights += demand.embedding if not (demand.tied and part.head) else 0
            whole = hardware.memory.capacity
            have = None if whole is None else whole - min(_SYSTEM, whole // 4)
            # With a card there, llama.cpp takes the card's kind of main memory, which keeps the order of the file.
            again = 0 if hardware.gpus or not serving.reorder else buffers.copies(
                layers, demand.orderable if part.head else (), hardware.cpu.isa
            )  # fmt: skip
            other = buffers.program(demand, serving)
            found.append(MemoryUse(MAIN, have, weights, cache, compute, other, again))
        else:
            card = hardware.gpus[part.card]
            have = usable(card) + CONTEXT_BYTES
            found.append(MemoryUse(card.name, have, weights, cache, compute, CONTEXT_BYTES))
    return tuple(found)


def served(demand: Demand, serving: Serving, isa: Isa | None = None) -> MemoryUse:
    """Return what a server without a card takes."""
    layers = demand.layers
    again = buffers.copies(layers, demand.orderable, isa) if serving.reorder else 0
    other = buffers.program(demand, serving)
    compute = buffers.compute(demand, layers, serving, head=True)
    return MemoryUse(MAIN, None, demand.held, buffers.cache(layers, serving), compute, other, again)


def missing(used: Sequence[MemoryUse], hardware: Hardware) -> int:
    """Return the bytes that fit nowhere and are read from disk again for every token; 0 where nobody knows."""
    del hardware
    return sum(max(each.needed - each.have, 0) for each in used if each.have is not None)
