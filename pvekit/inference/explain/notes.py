"""What is worth saying although it is not the cause."""

from __future__ import annotations

from collections.abc import Iterator

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.offload import fitting, solved


def notes(case: Case) -> tuple[str, ...]:
    """Return the notes of a case."""
    return tuple(_notes(case))


def _notes(case: Case) -> Iterator[str]:
    found, fits = solved(case), fitting(case)
    if found is not None and fits and case.demand is not None and found.bytes < 0.8 * min(fits, case.demand.held):
        yield f"The card is under-filled: {found.words(fits)}."
    if case.contrast is not None:
        slow, fast = case.contrast
        yield (
            f"Speeds from {slow:.3g} to {fast:.3g} tokens/s are named, and nothing that was read makes the difference; "
            "the slowest is what is judged."
        )
    if case.cpu is not None and case.demand is not None:
        moved = case.demand.read * case.cpu.run.rate / 1e9
        yield f"{case.cpu.run.rate:.2f} tokens/s are {moved:.1f} GB/s of weights read."
    if case.seen.expected is not None and case.decodes:
        best = max(run.rate for run in case.decodes)
        if case.gpu or case.cpu:
            speed = case.gpu or case.cpu
            if speed is not None and case.seen.expected > 1.3 * speed.healthy.high:
                yield (
                    f"The {case.seen.expected:g} tokens/s that were expected are more than this hardware does; "
                    f"it reached {best:.2f}."
                )
