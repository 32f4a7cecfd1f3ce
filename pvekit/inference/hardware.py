"""What a machine has, as far as speed of inference depends on it. A field that nobody knows is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Isa(StrEnum):
    """The widest vector instructions of a CPU that llama.cpp's kernels make a difference between."""

    SSE42 = "sse42"
    AVX = "avx"
    AVX2 = "avx2"
    AVX512 = "avx512"
    AVX512_VNNI = "avx512-vnni"
    AMX = "amx"
    NEON = "neon"
    NEON_DOTPROD = "neon-dotprod"
    NEON_I8MM = "neon-i8mm"


class CpuClass(StrEnum):
    """Kinds of CPU that have their own efficiency in the public table."""

    DESKTOP = "cpu-desktop"
    SERVER = "cpu-server"
    SBC = "cpu-sbc"
    APPLE = "apple-cpu"


class GpuClass(StrEnum):
    """Kinds of GPU that have their own efficiency in the public table."""

    PASCAL = "nvidia-pascal-old"
    VOLTA_TURING = "nvidia-volta-turing"
    AMPERE = "nvidia-ampere+"
    HBM = "nvidia-hbm-dc"
    AMD = "amd-gpu"
    INTEL = "intel-gpu"
    APPLE = "apple-gpu"


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory. ``channels`` is what the board has over all sockets, ``populated`` those with a module.

    ``megatransfers`` is the speed it runs at (MT/s); ``capacity`` in bytes.
    """

    channels: int | None
    populated: int | None
    megatransfers: int | None
    capacity: int | None = None
    width_bits: int = 64
    peak: float | None = None
    """GB/s as the maker says it, where channels and speed are not known (Apple, boards with soldered memory)."""

    def bandwidth(self) -> float | None:
        """Return the peak in GB/s of the populated channels; all channels where the population is not known."""
        channels = self.populated if self.populated is not None else self.channels
        if channels is not None and self.megatransfers is not None:
            return channels * self.megatransfers * self.width_bits / 8 / 1000
        return self.peak


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processors. ``cores`` and ``threads`` over all ``sockets``; ``ghz`` is the all-core clock under load."""

    name: str
    kind: CpuClass
    cores: int | None
    threads: int | None
    ghz: float | None
    isa: Isa | None
    sockets: int = 1
    numa_nodes: int | None = None


@dataclass(frozen=True, slots=True)
class Gpu:
    """One graphics card. ``bandwidth`` GB/s, ``memory`` bytes, ``tflops`` FP32, ``link`` GB/s of its PCIe link."""

    name: str
    kind: GpuClass
    bandwidth: float
    memory: int
    tflops: float | None = None
    half_tflops: float | None = None
    """FP16 or tensor rate that llama.cpp can use; None where it is not known."""
    capability: str | None = None
    """CUDA compute capability, such as 6.1."""
    link: float | None = None
    watts: float | None = None


@dataclass(frozen=True, slots=True)
class Hardware:
    """One machine. ``sources`` say where its figures come from; ``price`` in whatever unit the person uses."""

    name: str
    cpu: Cpu
    memory: Memory
    gpus: tuple[Gpu, ...] = ()
    idle_watts: float | None = None
    load_watts: float | None = None
    price: float | None = None
    sources: tuple[str, ...] = ()
