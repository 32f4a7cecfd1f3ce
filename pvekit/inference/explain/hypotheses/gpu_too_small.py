"""The card is too small for the model.

What does not fit on the card stays in main memory, and most of a token's time is spent there. That is no fault: a
smaller model, a smaller quantisation or a larger card helps.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.offload import fitting
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the model is larger than the card's memory"
SIDE = Side.GPU
PRIOR = 0.35
REMEDY = (
    "A model or quantisation that fits wholly into the card is several times faster; a mixture of experts loses less."
)


def judge(case: Case) -> Weighed | None:
    """Weigh it: sizes. It is the healthy speed of a split model, so it explains without a fault."""
    if case.demand is None or case.gpu is None:
        return None
    fits = fitting(case, context=4096)
    if fits is None or case.demand.held <= fits:
        return None
    words = f"the model has {case.demand.held / 1e9:.1f} GB, and {fits / 1e9:.1f} GB fit on the card"
    return Weighed((0.75, 1.3), True, (because(words, 0.3),), factor=None)
