"""Which layers lie where: cards filled from the output and the last layer on, as llama.cpp does, the rest in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Gpu, GpuClass
from pvekit.inference.predict.buffers import Serving, cache, compute

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


def layer_bytes(demand: Demand, serving: Serving) -> list[int]:
    """Return what each layer holds, its share of the KV cache included."""
    return [layer.held + cache([layer], serving) for layer in demand.layers]


def place(demand: Demand, gpus: Sequence[Gpu], serving: Serving, wanted: int | str = "auto") -> tuple[Part, ...]:
    """Return where the layers lie. ``wanted`` layers (the output is the first of them) go to the cards.

    ``auto``: as many as fit. A number is taken as it is, whether it fits or not: the memory table says so.
    """
    total = len(demand.layers)
    left = total + 1 if wanted == "auto" else min(max(int(wanted), 0), total + 1)
    sizes = layer_bytes(demand, serving)
    buffer = compute(demand, demand.layers, serving, head=True)
    order = sorted(range(len(gpus)), key=lambda index: -gpus[index].bandwidth)
    cards: list[Part] = []
    stop, head = total, True
    for number, card in enumerate(order):
        forced = wanted != "auto" and number == len(order) - 1
        room, start, with_head = usable(gpus[card]) - buffer, stop, False
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
