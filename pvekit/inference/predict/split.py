"""Which layers lie where: cards filled from the output and the last layer on, as llama.cpp does, the rest in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Gpu, GpuClass

CONTEXT_BYTES = 400 * 2**20
"""What a driver's context takes of a card (CUDA: 300 to 500 MB)."""


@dataclass(frozen=True, slots=True)
class Part:
    """Layers ``start`` to ``stop`` on one device; ``card`` is None for main memory. ``head``: the output lies there."""

    card: int | None
    start: int
    stop: int
    head: bool

    @property
    def on(self) -> slice:
        """Return the layers."""
        return slice(self.start, self.stop)

    @property
    def empty(self) -> bool:
        """Return whether nothing lies here."""
        return self.start == self.stop and not self.head


def compute_bytes(demand: Demand, *, batch: int = 512) -> int:
    """Return a card's or the processor's buffers for one batch: activations, and logits of the batch."""
    return int(batch * 4 * (demand.vocabulary + 12 * demand.width))


def layer_bytes(demand: Demand, context: int) -> list[int]:
    """Return what each layer holds, its share of the KV cache for ``context`` tokens included."""
    return [
        layer.held + (2 * layer.attention.tokens(context) * (layer.attention.key + layer.attention.value)
                      if layer.attention else 0)
        for layer in demand.layers
    ]  # fmt: skip


def place(demand: Demand, gpus: Sequence[Gpu], context: int, wanted: int | str = "auto") -> tuple[Part, ...]:
    """Return where the layers lie. ``wanted`` layers (the output is the first of them) go to the cards.

    ``auto``: as many as fit. A number is taken as it is, whether it fits or not: the memory table says so.
    """
    total = len(demand.layers)
    left = total + 1 if wanted == "auto" else min(max(int(wanted), 0), total + 1)
    sizes = layer_bytes(demand, context)
    order = sorted(range(len(gpus)), key=lambda index: -gpus[index].bandwidth)
    cards: list[Part] = []
    stop, head = total, True
    for number, card in enumerate(order):
        forced = wanted != "auto" and number == len(order) - 1
        room, start, with_head = usable(gpus[card]) - compute_bytes(demand), stop, False
        if head:
            if left == 0 or (room < demand.output and not forced):
                continue
            room, left, head, with_head = room - demand.output, left - 1, False, True
        while start > 0 and left > 0 and (forced or room >= sizes[start - 1]):
            start, room, left = start - 1, room - sizes[start - 1], left - 1
        if start != stop or with_head:
            cards.append(Part(card, start, stop, with_head))
            stop = start
    return (Part(None, 0, stop, head), *reversed(cards))


def usable(gpu: Gpu) -> int:
    """Return the bytes of a card that a model can have. Apple lets its GPU have about three quarters of the memory."""
    return int(gpu.memory * 0.75) if gpu.kind is GpuClass.APPLE else gpu.memory - CONTEXT_BYTES
