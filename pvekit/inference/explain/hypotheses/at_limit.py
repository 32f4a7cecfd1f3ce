"""The machine does what it can.

Decode reads every weight that a token uses once from memory, so memory bandwidth sets its limit, not the number of
cores. More speed then needs a smaller model or quantisation, a mixture of experts, more or faster memory channels, or
a card.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "it does what this hardware can"
SIDE = Side.ANY
PRIOR = 1.0
REMEDY = (
    "Nothing is wrong. A smaller model or quantisation, a mixture of experts, faster memory or a card would be faster."
)


def judge(case: Case) -> Weighed | None:
    """Weigh it: the healthy speed itself, with the usual prefill and sweep."""
    evidence = []
    if case.ratio is not None and case.able is not None and case.able.value not in ("sse42", "avx"):
        if case.ratio < 2.2:
            evidence.append(because(f"prefill is only {case.ratio:.1f} times decode", -2.0))
        elif case.ratio >= 3:
            evidence.append(because(f"prefill is {case.ratio:.1f} times decode, as with working AVX2", 0.5))
    if case.slope is not None and case.slope > 0.85:
        evidence.append(because("decode still grows in proportion to the threads", -1.0))
    elif case.slope is not None and case.slope < 0.4:
        evidence.append(because("decode no longer grows with the threads: memory limits it", 0.7))
    if seen := case.sign("more_threads_no_gain"):
        evidence.append(because("more threads made it no faster: memory limits it", 1.5, seen))
    if seen := case.sign("memory_suspected"):
        evidence.append(because("memory bandwidth is named as the limit", 0.5, seen))
    return Weighed((0.8, 1.25), evidence=tuple(evidence), factor=1.0)
