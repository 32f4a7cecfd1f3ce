"""A long conversation: every token reads the whole cache.

With tens of thousands of tokens before it, a token reads gigabytes of cache beside the weights, and decode slows down
as the conversation grows.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the context is deep: each token reads a large cache"
SIDE = Side.ANY
PRIOR = 0.04
REMEDY = "Keep conversations shorter, use flash attention and a cache in q8_0, or a model with sliding windows."


def judge(case: Case) -> Weighed | None:
    """Weigh it: the depth of the run that was measured."""
    depth = max((run.depth for run in case.decodes), default=0)
    if case.contrast is not None and depth == 0:
        slow, fast = case.contrast
        evidence = [because(f"speeds from {slow:g} to {fast:g} tokens/s are named", 1.0)]
        return Weighed((0.2, 0.8), None, tuple(evidence), ("run.depth",), factor=fast / slow)
    said = case.sign("slower_with_depth")
    if depth < 2048 or case.demand is None:
        if said is None:
            return None
        words = "it is said to slow down as the conversation grows"
        return Weighed((0.3, 0.9), None, (because(words, 2.5, said),), ("run.depth",), factor=None)
    cache = case.demand.cache(depth)
    share = cache / (case.demand.read + cache)
    if share < 0.1:
        return None
    slowest = min(case.decodes, key=lambda run: run.rate)
    shallow = [run.rate for run in case.decodes if run.depth < 512]
    fell = slowest.rate / max(shallow) if shallow else None
    words = f"at {depth} tokens the cache is {share * 100:.0f} % of what a token reads"
    evidence = [because(words, 0.5)]
    if fell is not None:
        evidence.append(
            because(
                f"decode fell to {fell * 100:.0f} % from the start of the conversation", 1.5 if fell < 0.8 else -1.0
            )
        )
    return Weighed((0.7, 1.2), True, tuple(evidence), factor=1 / (1 - share))
