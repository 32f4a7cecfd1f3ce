"""The model does not fit into memory and is read from disk again and again.

llama.cpp maps the file: what does not fit is dropped and read again for every token, at the disk's speed instead of
the memory's. Signs: disk reads or major faults during the run, swap in use, fractions of a token per second.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.weighed import Side, Weighed, because
from pvekit.inference.explanation import Evidence

TITLE = "the model does not fit into memory and is read from disk"
SIDE = Side.ANY
PRIOR = 0.06
REMEDY = "Take a smaller model or quantisation, give the machine more memory, or close what else uses it."

_NO_MEMORY = 1.5
"""GB/s that one core reads with the slowest kernels."""


def judge(case: Case) -> Weighed | None:
    """Weigh it: sizes, swap, faults and disk reads."""
    evidence = []
    state: bool | None = None
    have = case.guest.memory or (case.seen.hardware.memory.capacity if case.seen.hardware else None)
    need = case.demand.held if case.demand else None
    on_cards = case.guest.gpu_bytes or 0
    if need is not None and not on_cards and case.seen.hardware and (case.guest.gpu_layers or 0) > 0:
        on_cards = round(
            need * min(1.0, (case.guest.gpu_layers or 0) / (len(case.demand.layers) + 1 if case.demand else 1))
        )
    if have is not None and need is not None:
        cards = sum(gpu.memory for gpu in case.seen.hardware.gpus) if case.seen.hardware and on_cards else 0
        rest = need - min(on_cards, cards or on_cards)
        words = f"{rest / 1e9:.1f} GB of weights in {have / 1e9:.1f} GB of memory"
        if rest > 0.97 * have:
            state = True
            evidence.append(because(words, 1.5, case.where("guest.memory")))
        elif rest < 0.75 * have:
            # Where the disk was seen to be busy, something else takes the memory.
            busy = case.sign("disk_busy") is not None or (case.guest.disk_read or 0) >= 100
            evidence.append(because(words, -0.5 if busy else -3.0, case.where("guest.memory")))
    if case.guest.available is not None and need is not None and need - on_cards > 1.1 * case.guest.available:
        evidence.append(because("the weights are larger than what is free", 0.7, case.where("guest.available")))
    for fact, value, least in (
        ("guest.swap_in_rate", case.guest.swap_in_rate, 50), ("guest.major_faults", case.guest.major_faults, 20_000),
        ("guest.disk_read", case.guest.disk_read, 100),
    ):  # fmt: skip
        if value is not None and value >= least:
            state = True
            evidence.append(
                because(
                    f"{fact.partition('.')[2].replace('_', ' ')} is {value:.0f} during the run", 1.5, case.where(fact)
                )
            )
        elif value == 0:
            evidence.append(
                because(f"no {fact.partition('.')[2].replace('_', ' ')} during the run", -2.0, case.where(fact))
            )
    evidence += _disk(case)
    if seen := case.said("requires more system memory", "out of memory: killed", "oom-kill"):
        evidence.append(because("the system says that memory is short", 1.5, seen))
    return Weighed((0.01, 0.5), state, tuple(evidence), ("guest.memory", "guest.disk_read"), factor=10.0)


def _disk(case: Case) -> list[Evidence]:
    """Return what is said of the disk, and what the speed itself says."""
    evidence: list[Evidence] = []
    if seen := case.sign("disk_busy"):
        evidence.append(because("the disk was read all the time", 2.5, seen))
    if (seen := case.sign("fewer_threads_help")) and not case.sign("more_threads_no_gain"):
        evidence.append(because("fewer threads were faster, which no disk minds", -1.5, seen))
    if case.moved is not None and case.moved < _NO_MEMORY:
        words = f"{case.moved:.2f} GB/s of weights read is a disk's speed and no memory's"
        evidence.append(because(words, 2.0 if case.moved < _NO_MEMORY / 3 else 1.0))
    return evidence
