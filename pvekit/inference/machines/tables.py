"""The processors and cards that are known, each with where its figures come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pvekit.inference.hardware import Cpu, CpuClass, Gpu, GpuClass, Isa, Memory
from pvekit.inference.machines.names import kin, longest, plain, unmarked

_CORES = re.compile(r"\b(\d+)-cores?\b", re.IGNORECASE)
_APPLE = re.compile(r"\bM(\d) ?(Pro|Max|Ultra)?\b")
_APPLE_CORES = re.compile(r"(\d+)(?:-core)? ?GPU", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KnownCpu:
    """One processor: itself, its memory with every channel populated, and the source of both."""

    cpu: Cpu
    memory: Memory
    family: str
    watts: float | None
    source: str
    model: str | None = None
    """The name it is listed by; None where only its family is known."""


@cache
def raw(name: str) -> Any:
    """Return the content of one of the room's data files."""
    return yaml.safe_load((Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"))


@cache
def _listed_cpus() -> Mapping[str, tuple[dict[str, Any], list[Any]]]:
    return {model: (family, row) for family in raw("cpus")["families"] for model, row in family["models"].items()}


@cache
def gpus() -> Mapping[str, Gpu]:
    """Return every known card by its name."""
    found = {}
    for family in raw("gpus")["families"]:
        for model, row in family["models"].items():
            bandwidth, gib, tflops, watts, *link = row
            found[model] = Gpu(
                name=model, kind=GpuClass(family["kind"]), bandwidth=float(bandwidth), memory=int(gib * 2**30),
                tflops=float(tflops), capability=family.get("capability"), link=float(link[0]) if link else None,
                watts=float(watts),
            )  # fmt: skip
    return found


@cache
def gpu_source(name: str) -> str:
    """Return where the figures of a known card come from."""
    return next(str(family["source"]) for family in raw("gpus")["families"] if name in family["models"])


def cpu_names() -> tuple[str, ...]:
    """Return the names of every known processor."""
    return tuple(_listed_cpus())


@cache
def match_cpu(name: str) -> KnownCpu | None:
    """Return what is known of a processor by the name /proc/cpuinfo, a benchmark site or a person gives it.

    A model that is not listed gives its family's memory and instructions, and no clock. None for an unknown one.
    """
    model = longest(name, _listed_cpus())
    if model is not None:
        family, row = _listed_cpus()[model]
        return _cpu(name, family, row, model)
    for other, clock in kin(unmarked(name)):
        model = longest(other, _listed_cpus())
        if model is not None:
            family, row = _listed_cpus()[model]
            return _cpu(name, family, [*row[:2], round(row[2] * clock, 2), *row[3:]])
    text = unmarked(name)
    found = [family for family in raw("cpus")["families"] if re.search(family["match"], text)]
    return _cpu(name, found[-1], None) if found else None


def _cpu(name: str, family: Mapping[str, Any], row: list[Any] | None, model: str | None = None) -> KnownCpu:
    cores, threads, ghz, watts = (row or [None] * 4)[:4]
    counted = _CORES.search(name)
    if cores is None and counted:
        cores = int(counted[1])
    channels, speed = row[4] if row is not None and len(row) > 4 else (family["channels"], family["megatransfers"])
    cpu = Cpu(
        name=unmarked(name),
        kind=CpuClass(family["kind"]),
        cores=cores,
        threads=threads,
        ghz=ghz,
        isa=Isa(family["isa"]),
    )
    return KnownCpu(cpu, Memory(channels, None, speed), str(family["name"]), watts, str(family["source"]), model)


@cache
def match_gpu(name: str) -> Gpu | None:
    """Return a known card by the name lspci, nvidia-smi, a benchmark site or a person gives it; None for another."""
    apple = _APPLE.search(name) if plain(name).startswith(("apple", "m1", "m2", "m3", "m4", "m5", "mac")) or (
        re.search(r"M\d Mac|\(M", name)
    ) else None  # fmt: skip
    if apple:
        return _apple(name, apple)
    model = longest(name, gpus())
    if model is None:  # "Quadro P2000" as "P2000", "Tesla V100" as "V100", "Radeon RX 580" as "RX 580".
        heads = ("Tesla", "Quadro", "RTX", "GTX", "RX", "Arc", "Instinct")
        tails = {each.partition(" ")[2]: each for each in gpus() if each.startswith(heads) and len(each.split()) == 2}
        short = longest(name, [tail for tail in tails if re.fullmatch(r"[A-Z]+\d+\w*", tail)])
        model = tails[short] if short else None
    return gpus()[model] if model else None


def _apple(name: str, found: re.Match[str]) -> Gpu | None:
    chip = f"Apple M{found[1]}{' ' + found[2] if found[2] else ''}"
    cores = _APPLE_CORES.search(name) or re.search(r" (\d+)$", name)
    if cores and f"{chip} {cores[1]}" in gpus():
        return gpus()[f"{chip} {cores[1]}"]
    sizes = [each for each in gpus() if re.fullmatch(rf"{chip} \d+", each)]
    return gpus()[sizes[-1]] if sizes else None
