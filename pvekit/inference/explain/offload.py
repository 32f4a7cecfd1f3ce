"""How much of a model really lies on a card, and how much would."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.inference.explain.case import Case

_OVERHEAD = 500 * 2**20
"""Bytes a card loses to its driver's context and to buffers."""
_EFFICIENCY = 0.6
"""Part of a card's peak bandwidth that decode reaches, by the public table."""


@dataclass(frozen=True, slots=True)
class Solved:
    """Bytes on the card, solved from two speeds: t = (B - x) / v + x / (0.6 peak), with v from the run without it."""

    bytes: int
    with_card: float
    without: float

    def words(self, fits: int) -> str:
        """Return it as a sentence."""
        return (
            f"from {self.without:g} to {self.with_card:g} tokens/s: only about {self.bytes / 1e9:.1f} GB of the model "
            f"lie on the card, and {fits / 1e9:.1f} GB fit"
        )


@dataclass(frozen=True, slots=True)
class Partly:
    """Layers that a log counts on a card that nobody names, and what weights and cache ask for."""

    layers: int
    whole: int
    weights: int
    cache: int | None

    @property
    def words(self) -> str:
        """Return it as a sentence."""
        text = f"only {self.layers} of {self.whole} layers lie on a card that nobody names"
        if self.cache is None:
            return text
        return f"{text}; {self.weights / 1e9:.1f} GB of weights, {self.cache / 1e9:.1f} GB of cache for the context"


def partly(case: Case) -> Partly | None:
    """Return what is known of a model of which a log puts a part on an unnamed card; None for all else."""
    layers, demand = case.guest.gpu_layers, case.demand
    if demand is None or not layers or layers >= len(demand.layers) or case.guest.gpu_short:
        return None
    if case.seen.hardware is not None and case.seen.hardware.gpus:
        return None
    context = case.guest.context
    return Partly(layers, len(demand.layers) + 1, demand.held, demand.cache(context) if context else None)


def fitting(case: Case, *, cache: bool = True, context: int | None = None) -> int | None:
    """Return the bytes of weights that fit on the cards beside the cache of the context; None without cards."""
    if not (case.seen.hardware and case.seen.hardware.gpus) or case.demand is None:
        return None
    room = sum(gpu.memory - _OVERHEAD for gpu in case.seen.hardware.gpus)
    if cache:
        context = context or case.guest.context or 4096
        share = min(1.0, room / max(1, case.demand.held))
        room -= round(case.demand.cache(context) * share)
    return max(0, room)


def solved(case: Case) -> Solved | None:
    """Solve for the bytes on the card from a run with and one without it; None where there are not both."""
    if case.demand is None or not (case.seen.hardware and case.seen.hardware.gpus):
        return None
    with_card = [run.rate for run in case.decodes if not case.on_cpu(run)]
    without = [run.rate for run in case.decodes if case.on_cpu(run)]
    if not with_card or not without:
        return None
    fast, slow = max(with_card), max(without)
    if fast <= slow:
        return Solved(0, fast, slow)
    total = case.demand.read
    per_byte = 1 / slow / total
    on_card = 1 / (_EFFICIENCY * case.seen.hardware.gpus[0].bandwidth * 1e9)
    if on_card >= per_byte:
        return None
    found = (1 / slow - 1 / fast) / (per_byte - on_card)
    return Solved(round(min(total, max(0.0, found))), fast, slow)
