"""Measurements on a machine that go into its prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pvekit.inference.demand import Demand
from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Run
from pvekit.inference.predict.calibrate import Decoded, shift
from pvekit.inference.predict.coefficients import coefficients
from pvekit.inference.predict.features import Device
from pvekit.inference.predict.formula import Shift
from pvekit.inference.predict.work import MIXED_TYPES, Work, cost, per_weight, work


@dataclass(frozen=True, slots=True)
class Measured:
    """One speed of one model. ``card`` tells whether the whole model lay on a card; ``threads`` those it ran with."""

    work: Work
    rate: float
    phase: str = "decode"
    card: bool = False
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Probe:
    """What was measured on a machine."""

    measured: tuple[Measured, ...] = ()

    def shift(self, device: Device, *, card: bool) -> Shift | None:
        """Return how far a device of the machine is from its kind; None where nothing was measured on it."""
        found = [each for each in self.measured if each.card == card and each.rate > 0]
        decoded = [(each.work, 1 / each.rate) for each in found if each.phase == "decode"]
        prefilled = [(each.work, 1 / each.rate) for each in found if each.phase == "prefill"]
        if not decoded and not prefilled:
            return None
        known = coefficients()
        return shift(known.groups[device.model], device, _few(decoded), known.spread, _few(prefilled))


def _few(found: Sequence[Decoded]) -> list[Decoded]:
    return list(found[:64])


def of_runs(
    runs: Sequence[Run | Mapping[str, Any]], demand: Demand | None = None, *, read: int | None = None,
    quant: str | None = None, isa: Isa | None = None,
) -> Probe:  # fmt: skip
    """Return the probe in runs of one model: its ``demand``, or the bytes it reads per token and its quantisation.

    Of a thread sweep the fastest counts: a prediction is of a machine that is set up well.
    """
    best: dict[tuple[str, int, bool], Measured] = {}
    for run in runs:
        at = run if isinstance(run, Run) else Run(**_own(run))
        if at.rate <= 0 or at.clients != 1 or at.phase not in ("decode", "prefill"):
            continue
        asked = work(demand, at.depth, isa) if demand is not None else _of_bytes(read, quant, isa)
        if asked is None:
            continue
        whole = demand is None or at.gpu_layers is None or at.gpu_layers >= len(demand.layers)
        card = at.device == "gpu" or bool(at.gpu_layers)
        if card and not whole:
            continue
        key = at.phase, at.depth, card
        if key not in best or best[key].rate < at.rate:
            best[key] = Measured(asked, at.rate, at.phase, card, at.threads)
    return Probe(tuple(best.values()))


def _of_bytes(read: int | None, quant: str | None, isa: Isa | None) -> Work | None:
    if not read:
        return None
    kind = MIXED_TYPES.get(quant or "Q4_K_M", quant or "Q4_K")
    parameters = read / per_weight(kind)
    layers = max(round(16 * (parameters / 1.24e9) ** 0.5), 4)
    return Work(read, 0.0, layers, parameters * cost(kind, isa), parameters)


def _own(run: Mapping[str, Any]) -> dict[str, Any]:
    known = {each.name for each in fields(Run)} - {"seen"}
    found = {key: value for key, value in run.items() if key in known}
    return {**found, "samples": tuple(found.get("samples", ()))}
