"""The balloon has taken the VM's memory.

With `balloon:` below `memory:`, the host takes memory from a VM that seems idle. A mapped model file seems idle.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the balloon takes the VM's memory"
SIDE = Side.CPU
PRIOR = 0.02
REMEDY = "Set balloon: 0 for this VM."


def judge(case: Case) -> Weighed | None:
    """Weigh it: what the balloon has taken."""
    taken = case.host.balloon
    if taken is None:
        return None if case.guest.virtual is not True else Weighed((0.05, 0.7), None, (), ("host.balloon",), factor=3.0)
    seen = case.where("host.balloon")
    if taken <= 0:
        return Weighed(None, False, (because("the balloon has taken nothing", -9.0, seen),))
    whole, need = case.guest.memory, case.demand.held if case.demand else None
    short = whole is not None and need is not None and need > 0.95 * (whole - taken)
    return Weighed(
        (0.02, 0.6), short or None, (because(f"the balloon has taken {taken / 1e9:.1f} GB", 1.0, seen),), factor=3.0
    )
