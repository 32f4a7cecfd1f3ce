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
_BROAD = re.compile(r"Snapdragon|Graviton[34]|Neoverse-V")
"""ARM cores that, like Apple's, have four lanes of 128 bit instead of two."""
_NARROW = re.compile(r"\bN(?:50|95|97|100|150|200|250|305|355)\b|i3-N3\d\d\b", re.IGNORECASE)
"""Cores that compute AVX2 in two halves (Gracemont: 128 bit)."""
_DUAL_ISSUE = re.compile(r"RX 7[6-9]\d\d|RX 9\d{3}|W7\d{3}|R9700|[678][1-9]0M|80[0-9]0S", re.IGNORECASE)
"""RDNA 3 and 4: their TFLOPS count two instructions a cycle, of which one can be an integer one. NVIDIA's from compute
capability 8.6 to 9.0 count lanes of which half compute integers too. Decode multiplies integers (dp4a)."""
_TENSOR: Mapping[str, float] = {"7.0": 2.0, "7.5": 2.0, "8.0": 4.0, "9.0": 2.0, "10.0": 2.0}
"""Tensor rate over FP32 rate, that of capability 8.6 being 1 (4 times FP32): 8 times in Volta and Turing, 16 in A100.
Hopper's 16 times need instructions that llama.cpp does not use; half of it is taken."""
_TYPICAL = {CpuClass.DESKTOP: (8, 3.8, 51.2), CpuClass.SERVER: (16, 2.8, 102.4), CpuClass.SBC: (4, 2.2, 17.1),
            CpuClass.APPLE: (8, 3.2, 100.0)}  # fmt: skip
"""Cores, GHz and GB/s to go on where nobody knows; said in the notes."""
KERNEL: Mapping[Isa, float] = {
    Isa.SSE42: 0.29, Isa.AVX: 0.9, Isa.AVX2: 1.0, Isa.AVX512: 1.0, Isa.AVX512_VNNI: 1.0, Isa.AMX: 1.0,
    Isa.NEON: 0.3, Isa.NEON_DOTPROD: 0.45, Isa.NEON_I8MM: 0.5,
}  # fmt: skip
"""Weights per cycle in decode, AVX2 being 1. Measured in seconds of a processor (benchmarks/llm_isa.py), Q4_K_M: SSE4.2
0.27 and 0.32 (270M and 1.2B parameters) on a Zen 2, 0.15 (270M) on a Zen 5; AVX 0.85, 0.96 and 0.74; AVX-512 0.91, with
VNNI 0.98, on the Zen 5; ARM from its lane widths (two of 128 bit)."""
MATRIX: Mapping[Isa, float] = {
    Isa.SSE42: 0.16, Isa.AVX: 0.78, Isa.AVX2: 1.0, Isa.AVX512: 1.3, Isa.AVX512_VNNI: 1.65, Isa.AMX: 1.65,
    Isa.NEON: 0.2, Isa.NEON_DOTPROD: 0.4, Isa.NEON_I8MM: 0.7,
}  # fmt: skip
"""Multiply-adds per cycle in prefill, AVX2 being 1. Measured likewise: SSE4.2 0.13 and 0.19, then 0.07,
AVX 0.91 and 0.67, then 0.65; AVX-512 1.06, with VNNI 1.27, and more on processors whose AVX2 is narrower."""


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
        "localscore_avx": float(localscore and isa is Isa.AVX),
        "localscore_sse": float(localscore and isa is Isa.SSE42),
    }
    lanes = 2.0 if cpu.kind is CpuClass.APPLE or _BROAD.search(cpu.name) else 0.5 if _NARROW.search(cpu.name) else 1.0
    cycles = used * ghz * lanes
    return Device("cpu", cpu.kind.value, bandwidth, cycles * KERNEL[isa], cycles * MATRIX[isa], features, guessed)


def gpu_device(gpu: Gpu, *, localscore: bool = False, weak_host: bool = False, early: bool = False) -> Device:
    """Return a card. Where nobody knows its arithmetic it follows from its bandwidth.

    ``weak_host``: a board's processor starts its kernels, which takes longer. ``early``: with llama.cpp of 2024.
    """
    tflops = gpu.tflops or gpu.bandwidth * 0.04
    capability = float(gpu.capability or 0)
    integer = tflops * (0.5 if 8.6 <= capability < 10 or _DUAL_ISSUE.search(gpu.name) else 1.0)
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
        "weak_host": float(weak_host),
        "early": float(early),
        "early_apple": float(early and gpu.kind is GpuClass.APPLE),
        "localscore_amd": float(localscore and gpu.kind is GpuClass.AMD),
        "localscore_apple": float(localscore and gpu.kind is GpuClass.APPLE),
        "localscore_blackwell": float(localscore and capability >= 10 and gpu.kind is GpuClass.AMPERE),
        "localscore_hbm": float(localscore and gpu.kind is GpuClass.HBM),
    }
    # The programs behind LocalScore use no matrix instructions on AMD cards.
    matrix = integer if localscore and gpu.kind is GpuClass.AMD else tflops * _TENSOR.get(gpu.capability or "", 1.0)
    return Device("gpu", gpu.kind.value, gpu.bandwidth, integer, matrix, features,
                  () if gpu.tflops else ("TFLOPS",))  # fmt: skip
