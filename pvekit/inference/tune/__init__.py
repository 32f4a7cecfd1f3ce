"""Finds the settings of llama.cpp that are faster than its defaults on one machine, and proves that they are.

Pure: what measures is given in. One knob at a time, from a start that the facts suggest, within a budget of runs; then
the winner against the defaults in interleaved rounds of its own, so that luck in the search proves nothing.
"""

from pvekit.inference.tune.knobs import DEFAULTS, Knobs
from pvekit.inference.tune.space import Axis, Situation, axes, start
from pvekit.inference.tune.tuning import Tuned, tune

__all__ = ["DEFAULTS", "Axis", "Knobs", "Situation", "Tuned", "axes", "start", "tune"]
