"""Threads on hyperthreads of the same core.

Two threads of one core share its units. For decode that gains nothing; with memory already at its limit it costs up
to a quarter.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "threads share cores as hyperthreads"
SIDE = Side.CPU
PRIOR = 0.04
REMEDY = "Run one thread per core, and pin the VM's processors to different cores."


def judge(case: Case) -> Weighed | None:
    """Weigh it: more threads than cores, and no more than hyperthreads."""
    ran, cores = case.threads, case.cores
    if ran is None or cores is None:
        return None
    most = case.host.threads or (case.seen.hardware.cpu.threads if case.seen.hardware else None) or 2 * cores
    if not cores < ran <= most or len({run.threads for run in case.decodes}) > 1:
        return None
    return Weighed((0.75, 1.02), True, (because(f"{ran} threads ran on {cores} cores", 0.0),), factor=1.15)
