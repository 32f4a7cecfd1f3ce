"""The card is too small for the model.

What does not fit on the card stays in main memory, and most of a token's time is spent there. That is no fault: a
smaller model, a smaller quantisation or a larger card helps.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.offload import fitting, partly
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the model is larger than the card's memory"
SIDE = Side.GPU
PRIOR = 0.35
REMEDY = (
    "A model or quantisation that fits wholly into the card is several times faster; a mixture of experts loses less."
)


def judge(case: Case) -> Weighed | None:
    """Weigh it: sizes. It is the healthy speed of a split model, so it explains without a fault."""
    said = case.sign("card_too_small")
    evidence = [because("it is said not to fit", 2.0, said)] if said else []
    if case.guest.gpu_short == "weights":
        words = "by its own count the program found no room for all weights on the cards"
        evidence.append(because(words, 2.0, case.where("guest.gpu_short")))
        return Weighed((0.75, 1.3), True, tuple(evidence), factor=None)
    if (part := partly(case)) is not None:
        evidence.append(because(part.words, 0.5, case.where("guest.gpu_layers")))
        return Weighed((0.3, 1.3), None, tuple(evidence), ("the card's memory",), factor=None)
    unused = case.gpu is None and (case.without_card or case.guest.gpu_backend is False or case.guest.gpu_layers == 0)
    if case.demand is None or not (case.seen.hardware and case.seen.hardware.gpus) or unused:
        return Weighed((0.3, 1.3), None, tuple(evidence), ("guest.gpu_layers",), factor=None) if evidence else None
    if case.guest.gpu_short == "cache":
        return None
    fits = fitting(case, context=4096)
    if fits is None or case.demand.held <= fits:
        return None
    words = f"the model has {case.demand.held / 1e9:.1f} GB, and {fits / 1e9:.1f} GB fit on the card"
    evidence.append(because(words, 0.3))
    return Weighed((0.75, 1.3), True, tuple(evidence), factor=None)
