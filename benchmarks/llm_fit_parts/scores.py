"""Errors and intervals by class."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.llm_fit_parts.folds import Held

ALL = "all"
_BORROWED = 12.0
"""Rows of all classes that every class's interval takes in, so that a class of three has one."""
_LEAST = 0.03


@dataclass(frozen=True, slots=True)
class Score:
    """One class, phase and basis. ``error`` median absolute percent, ``held`` percent of rows within the interval."""

    phase: str
    basis: str
    kind: str
    rows: int
    hardware: int
    error: float
    held: float
    low: float
    high: float


def quantile(pairs: Sequence[tuple[float, float]], share: float) -> float:
    """Return a weighted quantile of (value, weight)."""
    ordered = sorted(pairs)
    total, before = sum(weight for _, weight in ordered), 0.0
    for value, weight in ordered:
        before += weight
        if before >= share * total:
            return value
    return ordered[-1][0]


def limits(found: Sequence[Held], kind: str) -> tuple[float, float]:
    """Return the logs between which 80 % of measured over predicted lie: the class's rows and a few of all."""
    own = [(each.gap, each.weight) for each in found if kind in (ALL, each.row.kind)]
    total = sum(each.weight for each in found)
    pairs = own + [(each.gap, each.weight * _BORROWED / total) for each in found if kind != ALL]
    return min(quantile(pairs, 0.1), -_LEAST), max(quantile(pairs, 0.9), _LEAST)


def score(found: Sequence[Held]) -> list[Score]:
    """Return the scores; a row counts as held when the limits that other hardware gives hold it."""
    scores = []
    for phase in ("decode", "prefill"):
        for basis in ("specification", "probe"):
            some = [each for each in found if each.row.phase == phase and each.basis == basis]
            inside = _inside(some)
            for kind in [ALL, *sorted({each.row.kind for each in some})]:
                own = [
                    (each, within) for each, within in zip(some, inside, strict=True) if kind in (ALL, each.row.kind)
                ]
                scores.append(_score(phase, basis, kind, own, limits(some, kind)))
    return scores


def _score(
    phase: str, basis: str, kind: str, own: Sequence[tuple[Held, bool]], border: tuple[float, float]
) -> Score:  # fmt: skip
    total = sum(each.weight for each, _ in own)
    return Score(
        phase, basis, kind, len({id(each.row) for each, _ in own}), len({each.row.hardware for each, _ in own}),
        quantile([(100 * abs(math.exp(-each.gap) - 1), each.weight) for each, _ in own], 0.5),
        100 * sum(each.weight for each, within in own if within) / total, *border,
    )  # fmt: skip


def _inside(found: Sequence[Held]) -> list[bool]:
    borders: dict[tuple[str, str], tuple[float, float]] = {}
    for each in found:
        key = each.row.kind, each.row.hardware
        if key not in borders:
            others = [other for other in found if other.row.hardware != each.row.hardware]
            borders[key] = limits(others, each.row.kind)
    return [low <= each.gap <= high for each in found for low, high in [borders[each.row.kind, each.row.hardware]]]


def against(found: Sequence[Held], intervals: dict[str, dict[str, dict[str, list[float]]]]) -> list[Score]:
    """Return the scores of rows held against intervals that stand already."""
    scores = []
    groups: dict[tuple[str, str, str], list[tuple[Held, bool]]] = defaultdict(list)
    for each in found:
        known = intervals[each.basis][each.row.phase]
        low, high = known.get(each.row.kind, known[ALL])
        for kind in (ALL, each.row.kind):
            groups[each.row.phase, each.basis, kind].append((each, low <= each.gap <= high))
    for (phase, basis, kind), own in sorted(groups.items()):
        known = intervals[basis][phase]
        low, high = known.get(kind, known[ALL])
        scores.append(_score(phase, basis, kind, own, (low, high)))
    return scores


def text(scores: Sequence[Score]) -> str:
    """Return a table for a person."""
    lines = [f"{'phase':8} {'basis':14} {'class':22} {'rows':>5} {'hw':>4} {'error %':>8} {'held %':>7}  80 % interval"]
    lines += [
        f"{each.phase:8} {each.basis:14} {each.kind:22} {each.rows:5} {each.hardware:4} {each.error:8.1f} "
        f"{each.held:7.0f}  x{math.exp(each.low):.2f} to x{math.exp(each.high):.2f}"
        for each in scores
    ]
    return "\n".join(lines)
