"""The whole fit, and every row predicted from coefficients that never saw its hardware."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.llm_fit_parts import priors
from benchmarks.llm_fit_parts.solve import Problem
from benchmarks.llm_fit_parts.table import Row
from pvekit.inference.predict.calibrate import shift
from pvekit.inference.predict.formula import Group, Shift, decode, prefill

SPREAD = {"reading": 0.25, "kernel": 0.3, "layer": 0.5, "matrix": 0.35, "noise": 0.05}
"""How far machines of one kind lie apart, in log space, and the noise of one measurement. Round numbers: the errors
hardly change between half and twice of each."""


@dataclass(frozen=True, slots=True)
class Held:
    """One row predicted without its hardware. ``gap`` is the log of measured over predicted speed.

    ``weight`` is 1 over the number of probes that the row was predicted from.
    """

    row: Row
    gap: float
    basis: str
    weight: float = 1.0


def fit(rows: Sequence[Row]) -> tuple[dict[str, Group], list[Held]]:
    """Return the coefficients of every group, and every row as held out."""
    groups: dict[str, Group] = {}
    by_hardware: dict[tuple[str, str], Group] = {}
    for name in ("cpu", "gpu"):
        own = [row for row in rows if row.device.model == name]
        decoded = [row for row in own if row.phase == "decode"]
        prefilled = [row for row in own if row.phase == "prefill"]
        problem = Problem(decoded, priors.DECODE[name], priors.SCALE["decode"])
        full = problem.solve()
        base = problem.group(full.values)
        second = Problem(prefilled, priors.PREFILL[name], priors.SCALE["prefill"], base)
        whole = second.solve()
        groups[name] = second.group(whole.values)
        for hardware in sorted({row.hardware for row in own}):
            kept = np.array([row.hardware != hardware for row in decoded], dtype=float)
            found = problem.without(full, kept)
            kept = np.array([row.hardware != hardware for row in prefilled], dtype=float)
            matrix = second.without(whole, kept)["matrix"]
            by_hardware[name, hardware] = {**found, "matrix": matrix}
    return groups, held(rows, groups, by_hardware)


def held(
    rows: Sequence[Row], groups: Mapping[str, Group], by_hardware: Mapping[tuple[str, str], Group] | None = None
) -> list[Held]:
    """Return every row predicted, from the specification and from each other model measured on the same machine."""

    def group(row: Row) -> Group:
        own = by_hardware.get((row.device.model, row.hardware)) if by_hardware else None
        return own or groups[row.device.model]

    found = [Held(row, gap(group(row), row), "specification") for row in rows]
    machines: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        machines[row.machine].append(row)
    for own in machines.values():
        shifts = {}
        for model in sorted({row.model for row in own}):
            probe = [row for row in own if row.model == model]
            decoded = [(row.work, 1 / row.rate) for row in probe if row.phase == "decode"]
            prefilled = [(row.work, 1 / row.rate) for row in probe if row.phase == "prefill"]
            if decoded:
                shifts[model] = shift(group(probe[0]), probe[0].device, decoded, SPREAD, prefilled)
        for row in own:
            probes = [each for model, each in shifts.items() if model != row.model]
            found += [Held(row, gap(group(row), row, each), "probe", 1 / len(probes)) for each in probes]
    return found


def gap(group: Group, row: Row, moved: Shift = Shift()) -> float:  # noqa: B008
    """Return the log of measured over predicted speed."""
    seconds = decode(group, row.device, row.work, moved).seconds if row.phase == "decode" else (
        prefill(group, row.device, row.work, moved)
    )  # fmt: skip
    return math.log(row.rate * seconds)
