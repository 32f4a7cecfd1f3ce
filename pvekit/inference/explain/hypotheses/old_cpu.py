"""The processor itself has no AVX2.

Before Haswell (2013) and in some Pentiums and Celerons there is no AVX2. Then computing limits, not memory: decode
grows with every core, and prefill is hardly faster than decode.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case, below
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.hardware import Isa

TITLE = "the processor has no AVX2"
SIDE = Side.CPU
PRIOR = 0.3
REMEDY = "Nothing in software changes it. Q4_0 is faster than Q4_K_M there; a card takes the work over."


def judge(case: Case) -> Weighed | None:
    """Weigh it: known from the processor's name."""
    if case.able is None or not below(case.able, Isa.AVX2):
        return None
    # The healthy speed counts with the instructions it has: it is slow because of what it is.
    return Weighed((0.6, 1.4), True, (because(f"the processor has {case.able} at most", 0.8),), factor=None)
