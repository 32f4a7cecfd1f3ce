"""Machines: processors, cards and whole machines that are known, and those a person describes."""

from __future__ import annotations

from pvekit.inference.machines.load import MachineInvalid, load, names, preset
from pvekit.inference.machines.tables import KnownCpu, cpu_names, gpu_source, gpus, match_cpu, match_gpu

__all__ = [
    "KnownCpu",
    "MachineInvalid",
    "cpu_names",
    "gpu_source",
    "gpus",
    "load",
    "match_cpu",
    "match_gpu",
    "names",
    "preset",
]
