"""Too many threads.

llama.cpp's threads wait for each other at every step. With more threads than vCPUs, one of them always waits for its
turn, and all wait for it. The same on machines where slow efficiency cores are given work.
"""

from __future__ import annotations

from dataclasses import replace

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.explanation import Evidence
from pvekit.inference.observed import Run

TITLE = "too many threads"
SIDE = Side.CPU
PRIOR = 0.06
REMEDY = "Run one thread for each core (-t), none for hyperthreads."

_MOST = 512
"""Threads that no machine runs with a gain."""


def judge(case: Case) -> Weighed | None:
    """Weigh it: threads against the processors of the system that runs them."""
    counts = [one for one in (case.guest.cpus, case.host.vcpus, case.usable[0] if case.usable else None) if one]
    have = min(counts, default=None)
    if have is None and case.cores is not None:
        have = case.host.threads or 2 * case.cores
    ran = case.threads
    decided = _sweep(case)
    if decided is not None:
        return decided
    evidence = _said(case)
    side = Side.ANY if evidence and evidence[0].weight > 0 else None
    if ran is not None and ran > _MOST and have is None:
        have = _MOST
    if ran is None or have is None:
        return Weighed((0.2, 0.85), None, tuple(evidence), ("run.threads", "guest.cpus"), factor=1.6, side=side)
    words = f"{ran} threads run on {have} processors"
    seen = case.where("run.threads") or case.where("guest.threads") or case.where("guest.cpus")
    evidence.append(because(words, 0.0, seen))
    state = True if ran > have else None if evidence[0].weight > 0 else False
    low = 0.15 if ran <= have else 0.15 * (have / ran) ** 2
    if evidence[0].weight > 0:
        low = min(low, 0.02)  # who complains in words has seen seconds for a token
    return Weighed((low, 0.8), state, tuple(evidence), factor=2.0, side=side)


def _said(case: Case) -> list[Evidence]:
    """Return what a person says of fewer and of more threads."""
    evidence = []
    if seen := case.sign("fewer_threads_help"):
        # Where more threads stop to help, memory is at its limit: a little slower beyond is usual.
        evidence.append(because("fewer threads were faster", 1.0 if case.sign("more_threads_no_gain") else 3.5, seen))
    if seen := case.sign("slow_cores"):
        evidence.append(because("the processor has slow cores beside fast ones", 1.5, seen))
    if not evidence and (seen := case.sign("cores_idle")):
        evidence.append(because("processors were idle", -1.5, seen))
    return evidence


def _sweep(case: Case) -> Weighed | None:
    """Return what runs with fewer and more threads say, where there are such."""
    rates = _rates([run for run in case.decodes if case.on_cpu(run)])
    if len(rates) < 2 and not case.whole_on_card:
        # With a part of the model on a card, the threads work on the rest.
        rates = _rates([run for run in case.decodes if not case.on_cpu(run)], alike=False)
    if len(rates) < 2:
        return None
    best, most = max(rates, key=lambda count: rates[count]), max(rates)
    loss = rates[most] / rates[best]
    if best < most and loss < 0.85:
        words = f"{most} threads reach {rates[most]:.1f} tokens/s, {best} reach {rates[best]:.1f}"
        # Who tries many counts looks for the best one; who names two complains about the slower.
        weight = (4.0 if loss < 0.6 else 1.5) - (2.0 if len(rates) > 3 else 0.0)
        return Weighed(None, True, (because(words, weight),), factor=1 / loss, proven=True)
    return Weighed(None, False, (because("more threads are not slower than fewer", -4.0),))


def _rates(runs: list[Run], *, alike: bool = True) -> dict[int, float]:
    """Return the best rate by threads; unless they are ``alike``, only where nothing else that is known differs."""
    rates: dict[int, float] = {}
    others = {replace(run, threads=None, rate=1.0, samples=(), seen=None, cpu_seconds=None) for run in runs}
    for run in runs:
        if run.threads and (alike or len(others) == 1):
            rates[run.threads] = max(run.rate, rates.get(run.threads, 0.0))
    return rates
