"""What losing AVX2 does to the speeds, whatever took it away.

Measured per core with Q4_K_M: SSE4.2 has 0.30 of AVX2's decode and 0.09 of its prefill, AVX 0.74 and 0.29.
"""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.inference.explain.case import Case, below, x86
from pvekit.inference.explain.weighed import Weighed, because
from pvekit.inference.explanation import Evidence
from pvekit.inference.hardware import Isa


def shown(case: Case) -> bool:
    """Tell whether AVX2 was seen to be used or to be there."""
    return case.isa is not None and not below(case.isa[0], Isa.AVX2)


def weigh(
    case: Case, evidence: Sequence[Evidence], *, read: bool, by_type: Isa | None = None
) -> Weighed | None:  # fmt: skip
    """Weigh missing AVX2. ``read``: whether instructions that were read speak for this cause.

    ``by_type``: what the VM's CPU type shows, where nobody looked into the guest.
    """
    if case.able is not None and (below(case.able, Isa.AVX2) or not x86(case.able)):
        return None  # the processor has none: nothing hides it
    used = case.isa
    if used is not None and not below(used[0], Isa.AVX2):
        return Weighed(None, False, (*evidence, because(f"{used[0]} is used", -9.0, case.where(used[1]))))
    slow = case.healthy(isa=used[0] if used else by_type or Isa.SSE42)
    full = case.healthy()
    part = slow.value / full.value if slow and full and full.value > 0 else 0.35
    found = list(evidence)
    if used is not None:
        found.append(because(f"{used[0]} is all that is there", 2.0 if read else 0.5, case.where(used[1])))
        return Weighed((part * 0.7, min(1.1, part * 1.4)), read or None, tuple(found), factor=1 / part)
    if case.ratio is not None:
        if case.ratio < 2.2:
            found.append(because(f"prefill is only {case.ratio:.1f} times decode, as without AVX2 (1.2 to 1.7)", 2.5))
        elif case.ratio > 3.5:
            found.append(because(f"prefill is {case.ratio:.1f} times decode; without AVX2 it is at most 2", -4.0))
    if case.slope is not None:
        if case.slope > 0.8:
            found.append(because("decode grows in proportion to the threads: computing limits it", 0.8))
        elif case.slope < 0.4:
            found.append(because("decode does not grow with more threads: computing is not the limit", -3.0))
    state = True if by_type is not None and read else None
    return Weighed((part * 0.65, min(0.95, part * 1.5)), state, tuple(found), ("guest.isa",), factor=1 / part)
