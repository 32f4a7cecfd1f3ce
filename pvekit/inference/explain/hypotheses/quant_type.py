"""A quantisation that is slow to unpack on this processor.

IQ types and some K types cost more computing per byte. On processors without AVX2 or with few cores, computing limits
then: Q4_0 and Q4_K are faster at the same size.
"""

from __future__ import annotations

import re

from pvekit.inference.explain.case import Case, below
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.hardware import Isa

TITLE = "the quantisation is slow to unpack on this processor"
SIDE = Side.CPU
PRIOR = 0.05
REMEDY = "Take Q4_0, Q4_K_M or Q5_K_M instead of an IQ type."


def judge(case: Case) -> Weighed | None:
    """Weigh it: the type of the weights, and whether they are read on the CPU."""
    if case.demand is None:
        return None
    kind = case.demand.quant.upper()
    faster = _larger_and_faster(case)
    if faster is not None and kind.startswith("IQ"):
        # Only unpacking makes the smaller of two quantisations the slower one.
        return Weighed((0.2, 0.9), True, (because(faster, 3.0),), factor=1.3, proven=True, side=Side.ANY)
    if case.cpu is None or not kind.startswith("IQ") or kind in ("IQ4_NL", "IQ4_XS"):
        return None
    old = case.isa is not None and below(case.isa[0], Isa.AVX2)
    words = f"{kind} is unpacked on the CPU"
    evidence = [because(words, 1.0)]
    if case.slope is not None:
        evidence.append(
            because("decode grows with threads: computing limits", 1.0)
            if case.slope > 0.7
            else because("decode does not grow with threads", -1.5)
        )
    return Weighed((0.2, 0.5) if old else (0.3, 0.75), True, tuple(evidence), factor=2.0)


def _larger_and_faster(case: Case) -> str | None:
    """Return in words that the same model ran faster in a quantisation of more bits; None where it did not."""
    assert case.demand is not None  # noqa: S101 the caller looked
    name, kind = case.demand.name, case.demand.quant
    mine = max((run.rate for run in case.decodes), default=None)
    for run in case.seen.runs:
        label = run.model or ""
        if run.phase != "decode" or mine is None or not label.startswith(f"{name} "):
            continue
        other = label.removeprefix(f"{name} ")
        if _bits(other) > _bits(kind) and run.rate > 1.15 * mine:
            return f"{other} reaches {run.rate:g} tokens/s, and {kind} with fewer bits {mine:g}"
    return None


def _bits(kind: str) -> int:
    found = re.search(r"\d", kind)
    return int(found.group()) if found else 0
