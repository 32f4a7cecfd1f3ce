"""The card holds fewer layers than fit.

What stays in main memory sets the speed: half the model there means less than half the card's speed. `-ngl` (or
num_gpu) was set low, or guessed low because of a long context.
"""

from __future__ import annotations

from pvekit.inference.explain.case import Case
from pvekit.inference.explain.offload import fitting, partly, solved
from pvekit.inference.explain.weighed import Side, Weighed, because

TITLE = "the card holds less of the model than fits"
SIDE = Side.GPU
PRIOR = 0.12
REMEDY = "Raise -ngl (num_gpu) until the card is full; a shorter context or a KV cache in q8_0 makes room."


def judge(case: Case) -> Weighed | None:  # noqa: C901 - one way to know it after the other
    """Weigh it: layers or bytes on the card where they were read, else solved from two speeds."""
    if (unnamed := partly(case)) is not None:
        evidence = (because(unnamed.words, 1.0, case.where("guest.gpu_layers")),)
        return Weighed((0.05, 0.8), None, evidence, ("the card's memory",), factor=None)
    if case.demand is None or not (case.seen.hardware and case.seen.hardware.gpus):
        return None
    if case.without_card:
        return None
    if case.guest.gpu_full or case.guest.gpu_short:
        seen = case.where("guest.gpu_full") or case.where("guest.gpu_short")
        return Weighed(None, False, (because("by the program's own count the card is full", -9.0, seen),))
    fits = fitting(case)
    if fits is None or fits <= 0:
        return None
    layers = len(case.demand.layers)
    held, words, seen = None, "", None
    if case.guest.gpu_bytes is not None:
        held, seen = case.guest.gpu_bytes, case.where("guest.gpu_bytes")
        words = f"{held / 1e9:.1f} GB lie on the card, and {fits / 1e9:.1f} GB fit"
    elif case.guest.gpu_layers is not None:
        held = round(case.demand.held * min(1.0, case.guest.gpu_layers / (layers + 1)))
        seen = case.where("guest.gpu_layers")
        words = (
            f"{case.guest.gpu_layers} of {layers + 1} layers lie on the card, "
            f"about {held / 1e9:.1f} of {fits / 1e9:.1f} GB that fit"
        )
    elif (found := solved(case)) is not None:
        held, words = found.bytes, found.words(fits)
    if held is None:
        known = [run.gpu_layers for run in case.decodes if run.gpu_layers]
        if not known or min(known) > layers:
            return Weighed((0.1, 0.8), None, (), ("guest.gpu_layers",), factor=None)
        held = round(case.demand.held * min(1.0, max(known) / (layers + 1)))
        words = (
            f"{max(known)} of {layers + 1} layers were given to the card, "
            f"about {held / 1e9:.1f} of {fits / 1e9:.1f} GB that fit"
        )
    full = min(fits, case.demand.held)
    if held > 0.85 * full:
        return Weighed(None, False, (because(words, -9.0, seen),))
    if held == 0:
        return None
    left, best = case.demand.held - held, case.demand.held - full
    part = max(0.05, (best + 0.12 * full) / (left + 0.12 * held))
    # Without the context nobody can say that there is room: its cache may fill the card.
    read = True if case.guest.context is not None else None
    return Weighed(
        (part * 0.7, min(1.0, part * 1.5)), read, (because(words, 1.0 if read else 3.0, seen),),
        () if read else ("guest.context",), factor=1 / min(1.0, part),
    )  # fmt: skip
