"""The KV cache does not fit on the card.

A long context needs gigabytes beside the weights. Then layers, or the cache itself, stay in main memory (or, on
Windows, the driver moves them there unasked).
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.offload import fitting, partly
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.explanation import Evidence
from pvekit.inference.hardware import GpuClass

TITLE = "the context's cache does not fit on the card"
SIDE = Side.GPU
PRIOR = 0.06
REMEDY = "Take a shorter context (-c), flash attention with a cache in q8_0, or fewer slots."

_TIGHT = 0.8
"""Part of the cards' memory that weights and cache may fill, before buffers have to be asked about."""


def judge(case: Case) -> Weighed | None:
    """Weigh it: weights fit, weights and cache do not."""
    evidence = _said(case)
    if case.guest.gpu_short == "cache":
        words = "the weights fit on the cards, and not together with cache and buffers"
        return Weighed((0.05, 0.8), True, (*evidence, because(words, 2.5, case.where("guest.gpu_short"))), factor=None)
    if (unnamed := _unnamed(case, evidence)) is not None:
        return unnamed
    if case.demand is None or not (case.seen.hardware and case.seen.hardware.gpus):
        return Weighed((0.1, 0.8), None, tuple(evidence), ("guest.context",), factor=None) if evidence else None
    context = case.guest.context
    room = fitting(case, cache=False)
    if room is None or case.demand.held > room:
        return None
    if context is None and not evidence and all(gpu.kind is GpuClass.APPLE for gpu in case.seen.hardware.gpus):
        return None  # its memory is the machine's own: what does not fit there is swapped
    if context is None:
        return Weighed((0.03, 0.8), None, tuple(evidence), ("guest.context",), factor=None)
    cache = case.demand.cache(context)
    words = (
        f"{case.demand.held / 1e9:.1f} GB of weights and {cache / 1e9:.1f} GB of cache for {context} tokens; "
        f"{room / 1e9:.1f} GB are free on the card"
    )
    seen = case.where("guest.context")
    # Its buffers grow with the context as well, and nobody knows by how much.
    if case.demand.held + cache <= room and (evidence or case.demand.held + cache > _TIGHT * room):
        return Weighed((0.1, 0.8), None, (*evidence, because(words, 1.0, case.where("guest.context"))), factor=None)
    if case.demand.held + cache <= room:
        return Weighed(None, False, (because(words, -9.0, seen),))
    return Weighed((0.03, 0.75), True, (because(words, 1.0, seen),), factor=None)


def _said(case: Case) -> list[Evidence]:
    """Return what a person says, and that the card slows it down."""
    evidence = []
    for sign, words, weight in (
        ("card_context", "the context's length is said to decide what fits on the card", 2.5),
        ("card_spills", "the card's memory is said to spill into main memory", 2.0),
    ):
        if seen := case.sign(sign):
            evidence.append(because(words, weight, seen))
    if case.gpu is not None and case.cpu is not None and case.gpu.run.rate < case.cpu.run.rate:
        words = f"{case.gpu.run.rate:g} tokens/s with the card, {case.cpu.run.rate:g} without it"
        evidence.append(because(words, 1.5))
    return evidence


def _unnamed(case: Case, evidence: list[Evidence]) -> Weighed | None:
    """Weigh layers on a card that nobody names: a shorter context makes room where the cache is large."""
    part = partly(case)
    if part is None or part.cache is None:
        return None
    share = part.cache / max(1, part.weights)
    weight = 2.5 if share > 0.7 else 1.2 if share > 0.35 else -1.0
    read = because(part.words, weight, case.where("guest.gpu_layers"))
    return Weighed((0.03, 0.8), None, (*evidence, read), ("the card's memory",), factor=None)
