"""Where a speed stands among public results of the same class of hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parent / "public.yaml"
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Group:
    """Public results of models between two sizes (GiB): ``count`` kinds of hardware, least, deciles and greatest."""

    low: float
    high: float | None
    count: int
    deciles: tuple[float, ...]

    @property
    def whole(self) -> bool:
        """Return whether models of all sizes are in it."""
        return self.low == 0 and self.high is None

    @property
    def sizes(self) -> str:
        """Return which models, in words."""
        if self.whole:
            return "all sizes"
        if self.high is None:
            return f"above {self.low:g} GiB"
        return f"{self.low:g} to {self.high:g} GiB"


@dataclass(frozen=True, slots=True)
class Source:
    """Where the results come from."""

    oldest: str
    newest: str
    hardware: int
    rows: int
    names: tuple[str, ...]


def rank(deciles: Sequence[float], value: float) -> float:
    """Return the percent of results below ``value``: 0 at or below the least, 100 at or above the greatest.

    It never falls as ``value`` grows. Between two deciles it goes by the distance to each.
    """
    step = 100 / (len(deciles) - 1)
    if value <= deciles[0]:
        return 0.0
    for index, (low, high) in enumerate(pairwise(deciles)):
        if value < high:
            return step * (index + ((value - low) / (high - low) if high > low else 0.0))
    return 100.0


def group(kind: str, what: str, size: float) -> Group | None:
    """Return the results of a class (``cpu-server``) for a model of ``size`` bytes, or None when there are too few.

    ``what`` is ``efficiency`` (share of the peak bandwidth) or ``rate`` (tokens/s). Of efficiency there is also one
    group of all sizes, taken where the size has none of its own.
    """
    found = [_group(row) for row in _data()["classes"].get(kind, {}).get(what, ())]
    inside = [
        each for each in found
        if not each.whole and each.low * _GIB <= size and (each.high is None or size < each.high * _GIB)
    ]  # fmt: skip
    return next(iter(inside), None) or next((each for each in found if each.whole), None)


def kinds() -> tuple[str, ...]:
    """Return the classes of hardware there are results of."""
    return tuple(_data()["classes"])


def source() -> Source:
    """Return where the results come from, and from when."""
    data = _data()
    names = tuple(str(each["name"]) for each in data["sources"])
    return Source(data["oldest"], data["newest"], data["hardware"], data["rows"], names)


def _group(row: Mapping[str, Any]) -> Group:
    high = row["to"]
    return Group(float(row["from"]), None if high is None else float(high), int(row["n"]), tuple(row["deciles"]))


@cache
def _data() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return found
