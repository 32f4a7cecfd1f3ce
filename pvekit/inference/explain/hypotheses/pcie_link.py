"""The card's PCIe link is narrow or slow.

It matters for loading the model and for prefill of layers in main memory. Decode sends some kilobytes per token over
it, so it hardly matters there. An idle link is slow on purpose: only one read under load counts.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the card's PCIe link is degraded"
SIDE = Side.GPU
PRIOR = 0.02
REMEDY = "Reseat the card, try another slot or riser; set the slot's speed in the firmware. Decode will hardly change."


def judge(case: Case) -> Weighed | None:
    """Weigh it: the link against what it could be. It does not explain slow decode."""
    host = case.host
    if host.link_generation is None and host.link_width is None:
        return None
    slow = bool(host.link_generation_max and host.link_generation and host.link_generation < host.link_generation_max)
    narrow = bool(host.link_width_max and host.link_width and host.link_width < host.link_width_max)
    seen = case.where("host.link_width") or case.where("host.link_generation")
    words = f"the link runs at generation {host.link_generation or '?'} x{host.link_width or '?'}"
    if not slow and not narrow:
        return Weighed(None, False, (because(f"{words}, as it could", -9.0, seen),))
    read = None if slow and not narrow and host.link_under_load is not True else True
    return Weighed(
        (0.85, 1.0),
        read,
        (because(f"{words}, below what it could", 0.3, seen),),
        ("host.link_under_load",),
        factor=1.05,
    )
