"""The buffers of llama.cpp, one function each: sizes that follow from its source and were measured (build 11669)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pvekit.inference.demand import CACHE_BYTES, Attention, Demand, Layer
from pvekit.inference.hardware import Isa

_PAD = 256
"""A cache has a multiple of so many cells."""
_ROWS = 5
"""So many rows of the model's width are alive at the largest step of a layer (ggml's graph allocator, all shapes)."""
_PROGRAM = 26 * 2**20
"""llama-server's libraries (17 MiB) and own data, measured with a vocabulary of 1000 tokens."""
_GRAPH = 100 * 2**10
"""The nodes of one layer's graph."""
_LONGEST = 64 * 2**20
"""A header is not longer; what is longer is no vocabulary."""
AFTER_PROMPT, CHECKPOINTS = 2, 32
"""Points to go back to that a slot has after one prompt, and at most."""

_AVX2 = frozenset({Isa.AVX2, Isa.AVX512, Isa.AVX512_VNNI, Isa.AMX})
_AVX512 = frozenset({Isa.AVX512, Isa.AVX512_VNNI, Isa.AMX})
_DOTPROD = frozenset({Isa.NEON_DOTPROD, Isa.NEON_I8MM})
_AMX = frozenset({Isa.AMX})
_ORDERED = {
    "Q4_0": _AVX2 | _DOTPROD, "Q4_K": _AVX2 | _DOTPROD, "IQ4_NL": _AVX2 | _DOTPROD | {Isa.NEON},
    "MXFP4": _AVX2 | _DOTPROD, "Q2_K": _AVX512, "Q5_K": _DOTPROD | _AMX, "Q6_K": _DOTPROD | _AMX,
    "Q8_0": _DOTPROD | _AMX, "Q4_1": _AMX, "IQ4_XS": _AMX,
}  # fmt: skip
"""Types that are kept a second time, in the order of a kernel (ggml-cpu/repack.cpp, ggml-cpu/amx)."""


@dataclass(frozen=True, slots=True)
class Serving:
    """How the server is started. ``context`` is the tokens of all slots together.

    ``batch`` is the tokens computed at once (-ub), ``key`` and ``value`` the types of the cache (-ctk, -ctv), ``flash``
    whether attention never writes its scores out (-fa), which it does not unless it is switched off.
    """

    context: int
    slots: int = 1
    batch: int = 512
    key: str = "f16"
    value: str = "f16"
    flash: bool = True
    reorder: bool = True
    """Whether a kernel may keep weights a second time (--no-repack switches it off)."""

    def cells(self, window: int | None) -> int:
        """Return the cells of one slot's cache; a layer with a window keeps that and the tokens computed at once."""
        whole = _padded(max(self.context // self.slots, 1))
        return whole if window is None else _padded(min(whole, window + self.batch))


def cache(layers: Iterable[Layer], serving: Serving) -> int:
    """Return the bytes of the KV cache."""
    key, value = CACHE_BYTES[serving.key], CACHE_BYTES[serving.value]
    return round(sum(
        serving.slots * serving.cells(each.window) * (each.key * key + each.value * value)
        for each in _attentions(layers)
    ))  # fmt: skip


def compute(demand: Demand, layers: Sequence[Layer], serving: Serving, *, head: bool) -> int:
    """Return the bytes of the buffer in which one batch is computed by a device with these layers."""
    attentions = _attentions(layers)
    rows = serving.batch * 4
    # Hand-made or guessed demands say nothing of the feed-forward part: it is about four times the width.
    step = rows * max((layer.scratch or 12 * demand.width for layer in layers), default=0)
    logits = serving.slots * demand.vocabulary * 4 if head else 0
    # One mask for the layers with a window, and one for the others.
    cells = {each.window is None: serving.cells(each.window) for each in attentions}
    mask = sum(cells.values()) * serving.batch * (2 if serving.flash else 4)
    if not serving.flash:
        scores = max((each.heads * serving.cells(each.window) for each in attentions), default=0)
        step = max(step, rows * (scores + max((each.width + each.key + each.value for each in attentions), default=0)))
    return rows * _ROWS * demand.width + max(step, logits) + mask


def checkpoint(layers: Iterable[Layer], serving: Serving) -> int:
    """Return the bytes of one point that a slot keeps to go back to, which layers with a window cannot otherwise.

    One prompt leaves two of them; each turn of a conversation about three, up to 32 (--ctx-checkpoints).
    """
    key, value = CACHE_BYTES[serving.key], CACHE_BYTES[serving.value]
    return round(sum(
        min(each.window, serving.cells(None)) * (each.key * key + each.value * value)
        for each in _attentions(layers) if each.window is not None
    ))  # fmt: skip


def program(demand: Demand, serving: Serving) -> int:
    """Return what the program itself takes, each slot having read one prompt.

    Libraries, vocabulary, graph, rows made ready for the kernels, and points to go back to.
    """
    # Beside the weights a file holds little but the vocabulary; in memory it takes 7.4 to 8.3 times as much.
    vocabulary = 8 * min(max(demand.file - demand.held, 0), _LONGEST)
    sampling = (serving.slots - 1) * demand.vocabulary * 16
    ready = serving.batch * max((layer.scratch or 12 * demand.width for layer in demand.layers), default=0) * 3 // 8
    points = serving.slots * AFTER_PROMPT * checkpoint(demand.layers, serving)
    return _PROGRAM + vocabulary + sampling + ready + points + len(demand.layers) * _GRAPH


def copies(layers: Iterable[Layer], head: Sequence[tuple[str, int]], isa: Isa | None) -> int:
    """Return the bytes of weights that are kept a second time for a processor; AVX2 where nobody knows it."""
    kind = isa or Isa.AVX2
    held = [*head, *(pair for layer in layers for pair in layer.orderable)]
    return sum(size for name, size in held if kind in _ORDERED.get(name, ()))


def _attentions(layers: Iterable[Layer]) -> list[Attention]:
    return [layer.attention for layer in layers if layer.attention is not None]


def _padded(cells: int) -> int:
    return -(-cells // _PAD) * _PAD
