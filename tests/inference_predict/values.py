"""Models and machines by hand, so that the laws do not depend on other rooms."""

from __future__ import annotations

from pvekit.inference.demand import Attention, Demand, Layer
from pvekit.inference.hardware import Cpu, CpuClass, Gpu, GpuClass, Hardware, Isa, Memory


def model(layers: int = 48, gigabytes: float = 8.5, quant: str = "Q4_K_M", *, experts: bool = False) -> Demand:
    """Return a dense model of the shape of Qwen2.5 14B, or a mixture of the same size that reads an eighth."""
    parameters = int(gigabytes * 1e9 / 0.5774)
    output, each = int(gigabytes * 1e9 * 0.07), int(gigabytes * 1e9 * 0.93 / layers)
    attention = Attention(key=1024, value=1024, width=5120)
    layer = Layer(each, each, int(parameters * 0.93 / layers), attention)
    if experts:
        layer = Layer(each // 8, each, int(parameters * 0.93 / layers / 8), attention, int(each * 0.9), each // 10)
    return Demand(
        name="by hand", quant=quant, architecture="qwen2", layers=(layer,) * layers, embedding=437_000_000,
        output=output, output_parameters=int(parameters * 0.07), width=5120, vocabulary=152_064,
        trained_context=131_072, file=int(gigabytes * 1e9) + 437_000_000,
    )  # fmt: skip


def xeon(populated: int | None = 4, isa: Isa = Isa.AVX2, cards: tuple[Gpu, ...] = (), cores: int = 14) -> Hardware:
    """Return an E5-2680 v4."""
    cpu = Cpu("Xeon E5-2680 v4", CpuClass.SERVER, cores, 2 * cores, 2.9, isa)
    return Hardware("by hand", cpu, Memory(4, populated, 2400, 64 * 2**30), cards)


def card(bandwidth: float = 192.0, gib: int = 6, kind: GpuClass = GpuClass.PASCAL) -> Gpu:
    """Return a P106-100 or one like it."""
    return Gpu("P106-100", kind, bandwidth, gib * 2**30, 4.4, capability="6.1", link=4.0)
