"""The sums. Decode: reading, arithmetic and a fixed cost per layer. Prefill: arithmetic, reading once per batch.

Each of a device's rates is the exponential of a sum of coefficients times features; ``shift`` moves the rates of one
machine away from those of its kind, in log space, when something was measured on it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.inference.predict.features import Device
from pvekit.inference.predict.work import CACHE_SHARE, Work

Group = Mapping[str, Mapping[str, float]]
"""Coefficients of one group by rate (``reading``, ``kernel``, ``layer``, ``matrix``) and feature."""
POWER = 3.0
"""How sharply the slower of reading and arithmetic wins: both run at once, and hinder each other when nearly equal."""
BATCH = 512
EXPERT_SHARE = 0.8
"""Share of the rate of dense weights at which routed experts are read (rows scattered over memory)."""


@dataclass(frozen=True, slots=True)
class Shift:
    """A machine's distance from its kind, in log space: ``reading`` and ``kernel`` faster, ``layer`` slower."""

    reading: float = 0.0
    kernel: float = 0.0
    layer: float = 0.0
    matrix: float = 0.0


@dataclass(frozen=True, slots=True)
class Parts:
    """Seconds of one token. ``reading``, ``cache`` and ``kernel`` overlap; ``stream`` is what they take together."""

    reading: float
    cache: float
    kernel: float
    layers: float
    stream: float

    @property
    def seconds(self) -> float:
        """Return the sum."""
        return self.stream + self.layers


def linear(group: Group, rate: str, device: Device) -> float:
    """Return the log of one rate of a device."""
    features = device.features
    return sum(value * features.get(name, 0.0) for name, value in group[rate].items())


def share(group: Group, device: Device, shift: float = 0.0) -> float:
    """Return the share of the peak bandwidth that a device reaches; below 1."""
    return 1 / (1 + math.exp(-max(min(linear(group, "reading", device), 30), -30))) * math.exp(shift)


def decode(group: Group, device: Device, work: Work, shift: Shift = Shift()) -> Parts:
    """Return the seconds of one decoded token on one device."""
    rate = device.bandwidth * 1e9 * share(group, device, shift.reading)
    reading = (work.read + work.experts * (1 / EXPERT_SHARE - 1)) / rate
    cache = work.cache / (rate * CACHE_SHARE)
    kernel = work.weights / (device.speed * 1e9 * math.exp(linear(group, "kernel", device) + shift.kernel))
    layers = work.layers * math.exp(linear(group, "layer", device) + shift.layer)
    memory = reading + cache
    largest = max(memory, kernel)
    stream = largest * ((memory / largest) ** POWER + (kernel / largest) ** POWER) ** (1 / POWER) if largest else 0.0
    return Parts(reading, cache, kernel, layers, stream)


def prefill(group: Group, device: Device, work: Work, shift: Shift = Shift()) -> float:
    """Return the seconds of one prompt token."""
    matrix = group["matrix"]
    size = matrix.get("size", 0.0) * math.log(max(work.parameters, 1e6) / 8e9)
    rate = device.matrix * 1e9 * math.exp(linear(group, "matrix", device) + size + shift.matrix)
    operations = 2 * work.parameters + work.attention / 2
    once = work.read / (device.bandwidth * 1e9 * share(group, device, shift.reading)) / BATCH
    return operations / rate + once
