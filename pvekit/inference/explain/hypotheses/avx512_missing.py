"""AVX-512 is missing.

It is often blamed, and hardly ever to blame: decode waits for memory. Measured per core, AVX-512 with VNNI gives
prefill +27 to +65 % over AVX2, and decode nothing.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case, x86
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "AVX-512 is missing"
SIDE = Side.CPU
PRIOR = 0.02
REMEDY = "Nothing to do: it would not make decode faster."


def judge(case: Case) -> Weighed | None:
    """Refute it for decode."""
    if case.cpu is None or (case.able is not None and not x86(case.able)):
        return None
    words = "decode waits for memory: AVX-512 gains nothing over AVX2 there, by measurement and on all known machines"
    return Weighed(None, False, (because(words, -9.0),), factor=1.0)
