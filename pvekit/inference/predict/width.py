"""The width of a prediction: what was seen on hardware the fit had not seen, by class."""

from __future__ import annotations

import math

from pvekit.inference.hardware import Hardware
from pvekit.inference.predict.coefficients import coefficients
from pvekit.inference.predict.speed import Devices, Sum
from pvekit.inference.prediction import Range

_COUNTED = 0.85
"""On the width where the populated channels are known: the public table does not know them. An assumption."""
_KINDS = 3
_OTHER_PROGRAM = 1.3
"""On the width where fewer than three kinds of hardware of the class were measured with llama.cpp itself."""
_GUESSED = 1.35
"""On the width for each figure that nobody gave."""


def spread(found: Sum, machine: Devices, hardware: Hardware, phase: str) -> Range:
    """Return the rate with its 80 % interval: each part's, weighted by the part's seconds."""
    total = sum(found.shares.values()) or 1.0
    low = high = 0.0
    for part, seconds in found.shares.items():
        device, _ = machine.of(part)
        measured = machine.measured(part)
        below, above = coefficients().interval("probe" if measured else "specification", phase, device.kind)
        factor = 1.0 if measured else _GUESSED ** len(device.guessed)
        few = coefficients().measured.get(phase, {}).get(device.kind, 0) < _KINDS
        if few and not measured and not device.features.get("localscore"):
            factor *= _OTHER_PROGRAM
        if part.card is None and not measured and hardware.memory.populated is not None:
            factor *= _COUNTED
        low += seconds / total * math.log(below) * factor
        high += seconds / total * math.log(above) * factor
    value = 1 / found.seconds
    return Range(value * math.exp(min(low, 0.0)), value, value * math.exp(max(high, 0.0)))
