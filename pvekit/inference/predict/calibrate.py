"""What a measurement on a machine says of the machine: its distance from its kind, drawn towards none.

The distances are what is most probable given the speeds measured, in log space: each has the spread that machines of
the kind show in the public table, and a measurement the noise of one. So one speed moves the rate that it depends on
most, and several tell reading and the cost per layer apart.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from pvekit.inference.predict.features import Device
from pvekit.inference.predict.formula import Group, Shift, decode, prefill
from pvekit.inference.predict.work import Work

_RATES = ("reading", "kernel", "layer")
Decoded = tuple[Work, float]
"""What a token asked, and the seconds it took."""


def shift(
    group: Group, device: Device, decoded: Sequence[Decoded], spread: Mapping[str, float],
    prefilled: Sequence[Decoded] = (),
) -> Shift:  # fmt: skip
    """Return the most probable distance of a machine. ``spread`` has a width for each rate and ``noise``."""

    def residuals(at: Sequence[float]) -> list[float]:
        moved = Shift(**dict(zip(_RATES, at, strict=True)))
        return [math.log(decode(group, device, work, moved).seconds / seconds) for work, seconds in decoded]

    widths = [spread[rate] for rate in _RATES]
    found = _most_probable(residuals, widths, spread["noise"]) if decoded else [0.0] * len(_RATES)
    base = Shift(**dict(zip(_RATES, found, strict=True)))
    if not prefilled:
        return base
    gaps = [math.log(prefill(group, device, work, base) / seconds) for work, seconds in prefilled]
    weight = len(gaps) / spread["noise"] ** 2
    matrix = sum(gaps) / len(gaps) * weight / (weight + spread["matrix"] ** -2)
    return Shift(base.reading, base.kernel, base.layer, matrix)


def _most_probable(
    residuals: Callable[[Sequence[float]], list[float]], widths: Sequence[float], noise: float
) -> list[float]:  # fmt: skip
    at = [0.0] * len(widths)
    for _ in range(8):
        now = residuals(at)
        rows = []
        for index in range(len(at)):
            moved = list(at)
            moved[index] += 1e-4
            rows.append([(after - before) / 1e-4 for after, before in zip(residuals(moved), now, strict=True)])
        matrix = [[sum(a * b for a, b in zip(one, other, strict=True)) / noise**2 for other in rows] for one in rows]
        right = []
        for index, row in enumerate(rows):
            matrix[index][index] += widths[index] ** -2
            right.append(-sum(a * b for a, b in zip(row, now, strict=True)) / noise**2 - at[index] / widths[index] ** 2)
        step = _solve(matrix, right)
        limit = min(1.0, 0.7 / max(1e-12, *map(abs, step)))
        at = [value + limit * change for value, change in zip(at, step, strict=True)]
        if max(map(abs, step)) < 1e-5:
            break
    return at


def _solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Return the solution of a small symmetric positive system."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for index, pivot in enumerate(rows):
        for below in range(index + 1, len(rows)):
            factor = rows[below][index] / pivot[index]
            rows[below] = [a - factor * b for a, b in zip(rows[below], pivot, strict=True)]
    found = [0.0] * len(rows)
    for index in reversed(range(len(rows))):
        rest = sum(rows[index][other] * found[other] for other in range(index + 1, len(rows)))
        found[index] = (rows[index][-1] - rest) / rows[index][index]
    return found
