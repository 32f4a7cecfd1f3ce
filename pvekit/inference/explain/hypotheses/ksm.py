"""KSM merges and splits pages while the model is used.

KSM compares all guests' pages all the time and takes memory bandwidth and one core. It merges nothing of a real
model.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "KSM scans the memory"
SIDE = Side.CPU
PRIOR = 0.01
REMEDY = "Switch KSM off on the node while models run: echo 2 > /sys/kernel/mm/ksm/run"


def judge(case: Case) -> Weighed | None:
    """Weigh it: pages that are shared. It costs some percent, never a multiple."""
    pages = case.host.ksm_sharing
    if pages is None:
        return None
    seen = case.where("host.ksm_sharing")
    if pages == 0:
        return Weighed(None, False, (because("KSM shares no page", -9.0, seen),))
    return Weighed((0.8, 0.98), pages > 100_000 or None, (because(f"KSM shares {pages} pages", 0.3, seen),), factor=1.1)
