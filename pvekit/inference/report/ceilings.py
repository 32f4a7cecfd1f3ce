"""What a machine could do at most: bandwidth of the memory that the model lay in, and arithmetic beside it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pvekit.inference.hardware import CpuClass, GpuClass, Isa
from pvekit.inference.report.figures import positive, short
from pvekit.inference.report.view import Bench, Machine

_PER_CYCLE = {
    Isa.SSE42: 8, Isa.AVX: 16, Isa.AVX2: 32, Isa.AVX512: 64, Isa.AVX512_VNNI: 64, Isa.AMX: 64,
    Isa.NEON: 16, Isa.NEON_DOTPROD: 16, Isa.NEON_I8MM: 16,
}  # fmt: skip
"""Operations on 32-bit floats per core and cycle: lanes, times two units, times two for a fused multiply-add.

SSE and AVX have no fused one, but a unit for each half.
"""
_KINDS: tuple[tuple[str, GpuClass | CpuClass], ...] = (
    (r"\b(?:A100|A800|H100|H200|B200|GH200)\b", GpuClass.HBM),
    (r"\b(?:GTX 10\d\d|P106|P104|P102|P40|P4\b|P100|Quadro P\d)", GpuClass.PASCAL),
    (r"\b(?:V100|TITAN V|RTX 20\d\d|GTX 16\d\d|T4\b|Quadro RTX|Tesla T)", GpuClass.VOLTA_TURING),
    (r"\b(?:NVIDIA|GeForce|RTX)\b", GpuClass.AMPERE),
    (r"\b(?:Radeon|gfx\d+|RX \d{4}|Instinct|MI\d{2,3})\b", GpuClass.AMD),
    (r"\bIntel.*(?:Arc|Graphics)", GpuClass.INTEL),
    (r"\bApple M\d", GpuClass.APPLE),
)
_CPU_KINDS: tuple[tuple[str, CpuClass], ...] = (
    (r"\b(?:EPYC|Xeon|Opteron|Ampere Altra|Neoverse|Graviton)\b", CpuClass.SERVER),
    (r"\bApple\b", CpuClass.APPLE),
    (r"\b(?:Cortex|Raspberry|BCM\d|RK3\d)", CpuClass.SBC),
    (r"\b(?:Ryzen|Core|Pentium|Celeron|Athlon|FX|Phenom)\b|\bi[3579]-\d", CpuClass.DESKTOP),
)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Peaks: GB/s and 10^9 operations per second, each with how it is known. ``measured`` is a bandwidth reached."""

    kind: str
    bandwidth: float | None
    bandwidth_how: str
    measured: float | None
    compute: float | None
    compute_how: str


def ceilings(machine: Machine, run: Bench) -> Ceilings:
    """Return the ceilings for the device that the run used."""
    hardware = machine.hardware
    if run.on_gpu:
        gpu = hardware.gpus[0] if hardware is not None and hardware.gpus else None
        kind = gpu.kind.value if gpu is not None else _kind(run.gpu, _KINDS)
        rate = gpu.tflops * 1000 if gpu is not None and gpu.tflops is not None else None
        return Ceilings(
            kind, gpu.bandwidth if gpu is not None else None, gpu.name if gpu is not None else "", None, rate,
            "32-bit floats" if rate is not None else "",
        )  # fmt: skip
    bandwidth, how = _memory(machine)
    compute, compute_how = _arithmetic(machine)
    kind = hardware.cpu.kind.value if hardware is not None else _kind(run.cpu, _CPU_KINDS)
    return Ceilings(kind, bandwidth, how, positive(machine.known.get("host.triad")), compute, compute_how)


def _kind(name: str, kinds: tuple[tuple[str, GpuClass | CpuClass], ...] | tuple[tuple[str, CpuClass], ...]) -> str:
    return next((kind.value for pattern, kind in kinds if re.search(pattern, name, re.IGNORECASE)), "")


def _memory(machine: Machine) -> tuple[float | None, str]:
    channels = positive(machine.known.get("host.populated_channels"))
    speed = positive(machine.known.get("host.megatransfers"))
    if channels is not None and speed is not None:
        return channels * speed * 8 / 1000, f"{channels:.0f} channels at {speed:.0f} MT/s"
    memory = machine.hardware.memory if machine.hardware is not None else None
    peak = memory.bandwidth() if memory is not None else None
    if memory is None or peak is None:
        return None, ""
    count = memory.populated if memory.populated is not None else memory.channels
    if count is None or memory.megatransfers is None:
        return peak, "as the maker says"
    return peak, f"{'' if memory.populated is not None else 'all '}{count} channels at {memory.megatransfers} MT/s"


def _arithmetic(machine: Machine) -> tuple[float | None, str]:
    """Return the peak of the cores that llama.cpp could use, by the instructions that the guest has."""
    cpu = machine.hardware.cpu if machine.hardware is not None else None
    given = machine.known.get("guest.isa")
    try:
        isa = Isa(str(given)) if given is not None else (cpu.isa if cpu is not None else None)
    except ValueError:
        isa = None
    there = [positive(machine.known.get(name)) for name in ("guest.cpus", "host.cores")]
    counts = [count for count in (*there, cpu.cores if cpu is not None else None) if count is not None]
    clock = positive(machine.known.get("host.clock_ghz")) or (cpu.ghz if cpu is not None else None)
    if isa is None or not counts or clock is None:
        return None, ""
    cores = min(counts)
    return cores * clock * _PER_CYCLE[isa], f"{cores:.0f} cores, {short(clock)} GHz, {isa.value}, 32-bit floats"
