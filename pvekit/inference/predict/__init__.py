"""How fast a model will be on a machine, from figures fitted to public measurements and from a probe of the machine."""

from __future__ import annotations

from pvekit.inference.predict.buffers import Serving
from pvekit.inference.predict.main import expected_decode, predict
from pvekit.inference.predict.memory import served
from pvekit.inference.predict.probe import Measured, Probe, of_runs

__all__ = ["Measured", "Probe", "Serving", "expected_decode", "of_runs", "predict", "served"]
