"""What of a device goes into the fitted formulas: a few figures and yes-or-no features, read from its description."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pvekit.inference.hardware import Cpu, CpuClass, Gpu, GpuClass, Isa, Memory

_MOBILE = re.compile(r"\d{3,5}(?:U|H|HQ|HX|HK|HS|P|Y|M|QM|MQ|G[147]|V)\b|Ryzen AI|Ultra \d \d+[UHV]\b", re.IGNORECASE)
_THIN = re.compile(r"\d{3,5}(?:U|Y|G[147]|V)\b", re.IGNORECASE)
_HYBRID = re.compile(r"i[3579]-1[234]\d|Core.* Ultra", re.IGNORECASE)
_LAPTOP = re.compile(r"laptop|max-q|mobile|\bMX\d", re.IGNORECASE)
_TYPICAL = {CpuClass.DESKTOP: (8, 3.8, 51.2), CpuClass.SERVER: (16, 2.8, 102.4), CpuClass.SBC: (4, 2.2, 17.1),
            CpuClass.APPLE: (8, 3.2, 100.0)}  # fmt: skip
"""Cores, GHz and GB/s to go on where nobody knows; said in the notes."""
KERNEL: Mapping[Isa, float] = {
    Isa.SSE42: 0.30, Isa.AVX: 0.74, Isa.AVX2: 1.0, Isa.AVX512: 1.0, Isa.AVX512_VNNI: 1.0, Isa.AMX: 1.0,
    Isa.NEON: 0.55, Isa.NEON_DOTPROD: 0.8, Isa.NEON_I8MM: 0.9,
}  # fmt: skip
"""Weights per cycle in decode, AVX2 being 1. Measured per CPU-second on one machine with one model: SSE4.2 2.36,
AVX 5.88, AVX2 7.94, AVX-512 VNNI 7.64 tokens; ARM from its lane widths."""
MATRIX: Mapping[Isa, float] = {
    Isa.SSE42: 0.086, Isa.AVX: 0.293, Isa.AVX2: 1.0, Isa.AVX512: 1.3, Isa.AVX512_VNNI: 1.65, Isa.AMX: 1.65,
    Isa.NEON: 0.4, Isa.NEON_DOTPROD: 0.7, Isa.NEON_I8MM: 1.2,
}  # fmt: skip
"""Multiply-adds per cycle in prefill, AVX2 being 1. Measured likewise: 2.91, 9.90, 33.8 and 55.8 tokens."""


@dataclass(frozen=True, slots=True)
class Device:
    """One processor or card for the formulas.

    ``bandwidth`` peak GB/s, ``speed`` its decode arithmetic (cores x GHz x instructions, or TFLOPS of a card),
    ``matrix`` its prefill arithmetic, ``model`` the group of coefficients, ``kind`` the class of the interval.
    """

    model: str
    kind: str
    bandwidth: float
    speed: float
    matrix: float
    features: Mapping[str, float]
    guessed: tuple[str, ...] = ()


def cpu_device(
    cpu: Cpu, memory: Memory, *, threads: int | None = None, windows: bool = False, localscore: bool = False
) -> Device:
    """Return a processor with its memory. ``threads`` limits the cores; figures nobody knows are typical ones."""
    cores, ghz, usual = _TYPICAL[cpu.kind]
    bandwidth = memory.bandwidth()
    isa = cpu.isa or (Isa.NEON_DOTPROD if cpu.kind is CpuClass.APPLE else Isa.AVX2)
    guessed = tuple(
        word for word, value in (("cores", cpu.cores), ("clock", cpu.ghz), ("memory bandwidth", bandwidth),
                                 ("instructions", cpu.isa)) if value is None
    )  # fmt: skip
    bandwidth, cores, ghz = bandwidth or usual, cpu.cores or cores, cpu.ghz or ghz
    used = min(threads, cores) if threads else cores
    speed = memory.megatransfers or (2400 if isa in (Isa.AVX2, Isa.AVX) else 4800)
    channels = bandwidth / (speed * 8 / 1000)
    features = {
        "one": 1.0,
        "server": float(cpu.kind is CpuClass.SERVER),
        "sbc": float(cpu.kind is CpuClass.SBC),
        "apple": float(cpu.kind is CpuClass.APPLE),
        "ddr3": float(speed <= 1866 and isa in (Isa.SSE42, Isa.AVX, Isa.AVX2)),
        "ddr5": float(speed >= 3700),
        "mobile": float(bool(_MOBILE.search(cpu.name)) and cpu.kind is CpuClass.DESKTOP),
        "thin": float(bool(_THIN.search(cpu.name)) and cpu.kind is CpuClass.DESKTOP),
        "hybrid": float(bool(_HYBRID.search(cpu.name))),
        "amd": float("AMD" in cpu.name or "Ryzen" in cpu.name or "EPYC" in cpu.name),
        "dual": float(cpu.sockets > 1),
        "channels": max(math.log2(max(channels, 0.5) / 2), -1.0),
        "cores": math.log2(used / 8),
        "sse": float(isa is Isa.SSE42),
        "avx": float(isa is Isa.AVX),
        "wide": float(isa in (Isa.AVX512, Isa.AVX512_VNNI, Isa.AMX)),
        "windows": float(windows),
        "localscore": float(localscore),
    }
    return Device(
        "cpu", cpu.kind.value, bandwidth, used * ghz * KERNEL[isa], used * ghz * MATRIX[isa], features, guessed
    )


def gpu_device(gpu: Gpu, *, localscore: bool = False) -> Device:
    """Return a card. Where nobody knows its arithmetic it follows from its bandwidth."""
    tflops = gpu.tflops or gpu.bandwidth * 0.04
    capability = float(gpu.capability or 0)
    nvidia = gpu.kind in (GpuClass.PASCAL, GpuClass.VOLTA_TURING, GpuClass.AMPERE, GpuClass.HBM)
    features = {
        "one": 1.0,
        "nvidia": float(nvidia),
        "pascal": float(gpu.kind is GpuClass.PASCAL),
        "turing": float(gpu.kind is GpuClass.VOLTA_TURING),
        "ada": float(8.9 <= capability < 9),
        "blackwell": float(capability >= 10 and gpu.kind is GpuClass.AMPERE),
        "hbm": float(gpu.kind is GpuClass.HBM),
        "amd": float(gpu.kind is GpuClass.AMD),
        "intel": float(gpu.kind is GpuClass.INTEL),
        "apple": float(gpu.kind is GpuClass.APPLE),
        "small": float(gpu.bandwidth < 150 and nvidia),
        "laptop": float(bool(_LAPTOP.search(gpu.name))),
        "bandwidth": math.log2(gpu.bandwidth / 500),
        "localscore": float(localscore),
        "localscore_amd": float(localscore and gpu.kind is GpuClass.AMD),
        "localscore_hbm": float(localscore and gpu.kind is GpuClass.HBM),
    }
    return Device("gpu", gpu.kind.value, gpu.bandwidth, tflops, tflops, features,
                  () if gpu.tflops else ("TFLOPS",))  # fmt: skip
