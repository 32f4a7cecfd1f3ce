"""Numbers as people read them, and numbers out of texts that others wrote."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


def number(value: Any) -> float | None:
    """Return a finite number, or None: a text, a truth value, NaN and what is absent are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def positive(value: Any) -> float | None:
    """Return a number above 0, or None."""
    found = number(value)
    return found if found is not None and found > 0 else None


def numbers(value: Any) -> tuple[float, ...]:
    """Return the numbers of a list, or the one number that stands in its place."""
    if isinstance(value, list | tuple):
        return tuple(found for each in value if (found := number(each)) is not None)
    found = number(value)
    return () if found is None else (found,)


def whole(value: Any) -> int | None:
    """Return a whole number, or None."""
    found = number(value)
    return None if found is None or found != int(found) else int(found)


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping, empty where it is none."""
    return value if isinstance(value, Mapping) else {}


def words(value: Any) -> str:
    """Return a text or a number as text; empty where there is neither."""
    if isinstance(value, str):
        return value
    return short(float(value)) if number(value) is not None else ""


def short(value: float) -> str:
    """Return three significant digits, without an exponent where it can be helped."""
    size = abs(value)
    if size != 0 and (size < 0.001 or size >= 1e9):
        return f"{value:.3g}"
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Return a share of 1 in percent, to about two digits."""
    value = 100 * share
    return f"{value:.0f}\u00a0%" if value >= 10 else f"{value:.2g}\u00a0%"


def seconds(value: float) -> str:
    """Return a duration with the unit that fits."""
    if value < 1:
        return f"{short(value * 1000)} ms"
    return f"{short(value)} s" if value < 120 else f"{short(value / 60)} min"


def size(value: float) -> str:
    """Return bytes with the unit that fits."""
    for unit, one in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value >= one:
            return f"{short(value / one)} {unit}"
    return f"{short(value)} B"


def quantile(values: Iterable[float], share: float) -> float | None:
    """Return the value below which ``share`` of the sorted values lie, between neighbours by their distance."""
    ordered = sorted(values)
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
