"""Too few threads or virtual processors.

One core reads some 4 to 6 GB/s with AVX2, so two or three of them cannot use four channels of memory. A VM with
`cores: 2` is slow on any machine.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.explanation import Evidence

TITLE = "too few threads or vCPUs"
SIDE = Side.CPU
PRIOR = 0.15
REMEDY = "Give the VM as many cores as the machine has, less one or two, and run one thread on each."


def judge(case: Case) -> Weighed | None:
    """Weigh it: by the threads that ran where they are known, else by the shape of a sweep."""
    cores = case.cores or case.host.vcpus or case.guest.cpus
    evidence = _said(case)
    if cores is None or cores < 4:
        return Weighed((0.1, 0.85), None, tuple(evidence), ("run.threads",), factor=2.0) if evidence else None
    ran, fact = case.threads, "run.threads"
    # Where processors were seen idle, nobody knows how many threads ran.
    idle = ran is None and case.sign("cores_idle") and case.usable is not None and case.usable[0] >= cores * 0.7
    if case.usable is not None and not idle and (ran is None or case.usable[0] < ran):
        if ran is not None:
            evidence.append(because(f"{ran} threads were started, more than it has processors", -1.5))
        ran, fact = case.usable
    if ran is not None:
        slow, full = case.healthy(threads=ran), case.healthy()
        part = min(1.0, slow.value / full.value) if slow and full and full.value > 0 else min(1.0, ran / cores)
        if case.slope is not None and case.slope > 0.8 and ran < cores:
            evidence.append(because("each thread more makes it faster in proportion", 1.0))
        state = part < 0.85 and ran < cores * 0.7
        words = f"{ran} threads ran on {cores} cores"
        evidence.append(because(words, 0.0, case.where(fact)))
        return Weighed((part * 0.85, min(1.1, part * 1.15)), state, tuple(evidence), factor=1 / part, limits=True)
    if case.slope is not None:
        evidence.append(
            because("decode grows in proportion to the threads", 1.0) if case.slope > 0.8
            else because("decode does not grow with more threads", -2.5)
        )  # fmt: skip
    if case.ratio is not None:
        evidence.append(
            because(f"prefill is {case.ratio:.1f} times decode, so AVX2 is used", 0.5) if case.ratio >= 3.5
            else because(f"prefill is only {case.ratio:.1f} times decode", -1.5)
        )  # fmt: skip
    three, full = case.healthy(threads=min(3, cores)), case.healthy()
    part = three.value / full.value if three and full and full.value > 0 else 3 / cores
    return Weighed((part * 0.55, min(0.95, part * 1.8)), None, tuple(evidence), ("run.threads",), factor=1 / part)


def _said(case: Case) -> list[Evidence]:
    """Return what a person says of processors and threads."""
    evidence: list[Evidence] = []
    if seen := case.sign("cores_idle"):
        evidence.append(because("processors were idle while it ran", 2.5, seen))
    elif (seen := case.sign("cpu_low")) and not (case.seen.hardware and case.seen.hardware.gpus):
        evidence.append(because("the processor was mostly idle", 1.5, seen))
    if (case.guest.gpu_busy_percent or 0) >= 50:
        evidence.append(because("the card is busy: it does the work", -2.5, case.where("guest.gpu_busy_percent")))
    if (seen := case.sign("fewer_threads_help")) or (seen := case.sign("more_threads_no_gain")):
        evidence.append(because("more threads were no faster", -2.5, seen))
    return evidence
