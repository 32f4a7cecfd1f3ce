"""Axes: where a value lies, and at which round values there are ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pvekit.inference.report.figures import short

_MOST = 1e15
_ROUND = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis is called, whether it grows by factors, and its ticks where they are not to be round numbers.

    ``reach`` are values that it holds whatever is drawn.
    """

    label: str
    log: bool = False
    at: tuple[float, ...] = ()
    reach: tuple[float, ...] = ()

    def holds(self, value: float) -> bool:
        """Return whether a value has a place here: what is not finite, or of no machine, has none."""
        return math.isfinite(value) and abs(value) < _MOST and (value > 1 / _MOST or not self.log)


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis in the picture: from ``low`` at ``start`` to ``high`` at ``end`` (picture units)."""

    low: float
    high: float
    log: bool
    start: float
    end: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Return where a value lies; values outside lie on the edge."""
        low, high, here = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, here = math.log(low), math.log(high), math.log(here)
        return self.start + (here - low) / (high - low) * (self.end - self.start)


def scale(axis: Axis, values: Iterable[float], start: float, end: float, count: int = 6) -> Scale:
    """Return the axis over ``values``. One that grows by factors leaves out what is not above 0.

    An axis that does not grow by factors begins at 0, so that lengths compare as the numbers do.
    """
    known = [value for value in (*values, *axis.reach, *axis.at) if axis.holds(value)]
    if axis.log:
        low, high, ticks = _by_factors(known or [1.0], count)
    else:
        low, high, ticks = _by_steps(known or [0.0], count)
    if axis.at:
        ticks = axis.at
    if axis.log and axis.at:
        low, high = min(known) / 1.15, max(known) * 1.15
    return Scale(low, high, axis.log, start, end, tuple(tick for tick in ticks if low <= tick <= high))


def _by_steps(values: Sequence[float], count: int) -> tuple[float, float, tuple[float, ...]]:
    low, high = min(0.0, *values), max(0.0, *values)
    if high - low < 1e-12:
        high = low + 1.0
    step = _round_up((high - low) / count)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, tuple(index * step for index in range(first, last + 1))


def _by_factors(values: Sequence[float], count: int) -> tuple[float, float, tuple[float, ...]]:
    low, high = _round_down(min(values)), _round_up(max(values))
    if high / low < 2:
        low, high = _round_down(low * 0.75), _round_up(high * 1.25)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [digit * 10.0**decade for decade in decades for digit in _ROUND[:3]]
    inside = [tick for tick in every if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    if len(inside) > count + 2:
        tens = [10.0**decade for decade in decades if low * (1 - 1e-9) <= 10.0**decade <= high * (1 + 1e-9)]
        inside = tens[:: max(1, math.ceil(len(tens) / count))]
    return low, high, tuple(min(max(tick, low), high) for tick in inside)


def _round_up(value: float) -> float:
    ten = 10.0 ** math.floor(math.log10(value))
    return next((digit * ten for digit in _ROUND if digit * ten >= value * (1 - 1e-9)), 10 * ten)


def _round_down(value: float) -> float:
    ten = 10.0 ** math.floor(math.log10(value) + 1e-12)
    return next((digit * ten for digit in reversed(_ROUND[:3]) if digit * ten <= value * (1 + 1e-9)), ten / 2)


def tick_text(value: float) -> str:
    """Return a tick's number, short enough to stand beside the next."""
    for unit, one in (("G", 1e9), ("M", 1e6)):
        if abs(value) >= one:
            return f"{short(value / one)}{unit}"
    return short(value)
