"""The solver: coefficients that are most probable given the rows, each drawn towards its prior.

Few parameters, all physical, each with a prior whose width says how far a class may stray from the others (a ridge);
rows weigh less the more of them one machine has; far rows count little (Student's t), for the table holds machines
that were busy, hot or half populated, and nobody wrote down which.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.llm_fit_parts.table import Row
from pvekit.inference.predict.formula import Group, decode, prefill

Priors = Mapping[str, Mapping[str, tuple[float, float]]]
"""Rate, feature, mean and standard deviation."""
_DOF = 3.0


def flat(priors: Priors) -> list[tuple[str, str]]:
    """Return every coefficient's place."""
    return [(rate, feature) for rate, features in priors.items() for feature in features]


def nested(places: Sequence[tuple[str, str]], values: Sequence[float]) -> dict[str, dict[str, float]]:
    """Return the coefficients as the formulas take them."""
    found: dict[str, dict[str, float]] = {}
    for (rate, feature), value in zip(places, values, strict=True):
        found.setdefault(rate, {})[feature] = float(value)
    return found


def residual(group: Mapping[str, Mapping[str, float]], row: Row) -> float:
    """Return the log of measured over predicted speed."""
    seconds = decode(group, row.device, row.work).seconds if row.phase == "decode" else (
        prefill(group, row.device, row.work)
    )  # fmt: skip
    return math.log(row.rate) + math.log(seconds)


@dataclass(frozen=True, slots=True)
class Solution:
    """The coefficients, and the slope of every row's residual there."""

    values: np.ndarray
    now: np.ndarray
    slopes: np.ndarray


class Problem:
    """Rows and priors of one group and phase. ``fixed`` holds rates that another fit gave."""

    def __init__(self, rows: Sequence[Row], priors: Priors, scale: float, fixed: Group | None = None) -> None:
        """Keep them as vectors."""
        self.rows, self.places, self.scale, self.fixed = rows, flat(priors), scale, fixed or {}
        self.means = np.array([priors[rate][feature][0] for rate, feature in self.places])
        self.widths = np.array([priors[rate][feature][1] for rate, feature in self.places])
        counts = Counter(row.machine for row in rows)
        self.shares = np.array([counts[row.machine] ** -0.5 for row in rows])

    def group(self, values: np.ndarray) -> dict[str, dict[str, float]]:
        """Return the coefficients as the formulas take them."""
        return {**{rate: dict(each) for rate, each in self.fixed.items()}, **nested(self.places, list(values))}

    def residuals(self, values: np.ndarray) -> np.ndarray:
        """Return every row's residual."""
        group = self.group(values)
        return np.array([residual(group, row) for row in self.rows])

    def solve(self, start: Solution | None = None, kept: np.ndarray | None = None, rounds: int = 40) -> Solution:
        """Return the most probable coefficients given the rows ``kept``, from ``start`` and its slopes on."""
        at = start or self._at(self.means.copy())
        for _ in range(rounds):
            step = self._step(at, kept)
            moved = at.values + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
            if np.abs(step).max() < 1e-4:
                break
            at = self._at(moved)
        return at

    def without(self, full: Solution, kept: np.ndarray) -> dict[str, dict[str, float]]:
        """Return the coefficients with rows left out: a step with the slopes at hand, and one with new ones."""
        at = full.values + self._step(full, kept)
        return self.group(at + self._step(self._at(at), kept))

    def _at(self, values: np.ndarray) -> Solution:
        now = self.residuals(values)
        columns = []
        for index in range(len(values)):
            moved = values.copy()
            moved[index] += 1e-4
            columns.append((self.residuals(moved) - now) / 1e-4)
        return Solution(values, now, np.array(columns).T)

    def _step(self, at: Solution, kept: np.ndarray | None) -> np.ndarray:
        weights = self.shares * (_DOF + 1) / (_DOF + (at.now / self.scale) ** 2) / self.scale**2
        if kept is not None:
            weights = weights * kept
        matrix = at.slopes.T @ (at.slopes * weights[:, None]) + np.diag(1 / self.widths**2)
        gradient = at.slopes.T @ (weights * at.now) + (at.values - self.means) / self.widths**2
        return -np.linalg.solve(matrix, gradient)
