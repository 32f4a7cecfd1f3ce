"""Somebody else uses the processors or the memory.

Other VMs and services on the same node take processors (steal) and memory bandwidth (which nothing shows directly).
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "others use the machine at the same time"
SIDE = Side.CPU
PRIOR = 0.06
REMEDY = "Measure with the other VMs stopped; give this one cores of its own (affinity), or the others a limit."


def judge(case: Case) -> Weighed | None:
    """Weigh it: stolen time and the load of the host."""
    steal, load, cores = case.guest.steal_percent, case.host.load, case.cores
    if steal is not None:
        seen = case.where("guest.steal_percent")
        if steal >= 5:
            part = max(0.1, 1 - steal / 100)
            return Weighed((part * 0.4, part * 1.05), True,
                           (because(f"{steal:.0f} % of the time is stolen", 2.0 if steal >= 20 else 1.0, seen),),
                           factor=1 / part)  # fmt: skip
        return Weighed((0.5, 0.95), None, (because(f"{steal:.0f} % of the time is stolen", -1.5, seen),), factor=1.3)
    if load is not None and cores:
        seen = case.where("host.load")
        busy = load / cores
        if busy >= 0.4:
            return Weighed(
                (0.25, 0.85), True, (because(f"the host's load is {load:.1f} on {cores} cores", 0.5, seen),), factor=1.6
            )
        return Weighed(
            (0.6, 0.97), None, (because(f"the host's load is {load:.1f} on {cores} cores", -2.0, seen),), factor=1.2
        )
    seen = case.sign("others_busy")
    said = (because("others are said to use the machine", 2.0, seen),) if seen else ()
    return Weighed((0.3, 0.9), None, said, ("guest.steal_percent", "host.load"), factor=1.5)
