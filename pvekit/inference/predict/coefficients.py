"""The fitted coefficients, and how far off predictions of a class have been."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from pvekit.inference.predict.formula import Group

_FILE = Path(__file__).parent / "coefficients.yaml"


@dataclass(frozen=True, slots=True)
class Coefficients:
    """What benchmarks/llm_fit.py wrote: ``intervals`` by basis, phase and class, logs of measured over predicted."""

    date: str
    rows: int
    groups: Mapping[str, Group]
    spread: Mapping[str, float]
    intervals: Mapping[str, Mapping[str, Mapping[str, tuple[float, float]]]]
    errors: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]
    measured: Mapping[str, Mapping[str, int]]
    """Kinds of hardware by phase and class that llama.cpp or ollama were measured on; the rest is LocalScore's."""

    def interval(self, basis: str, phase: str, kind: str) -> tuple[float, float]:
        """Return the factors on a rate between which 80 of 100 lie; a class nobody measured gets that of all."""
        known = self.intervals[basis][phase]
        low, high = known.get(kind) or known["all"]
        return math.exp(low), math.exp(high)


@cache
def coefficients() -> Coefficients:
    """Return the coefficients that ship with the package."""
    data = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return Coefficients(
        data["date"], data["rows"], data["groups"], data["spread"], data["intervals"], data["errors"],
        data["measured"],
    )  # fmt: skip
