"""Instruction sets from flags, from llama.cpp's line of features, and from the names of its CPU backends."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from pvekit.inference.hardware import Isa

ORDER = (Isa.SSE42, Isa.AVX, Isa.AVX2, Isa.AVX512, Isa.AVX512_VNNI, Isa.AMX)
"""From narrow to wide, x86 only."""

VARIANTS: Mapping[str, Isa] = {
    "x64": Isa.SSE42, "sse42": Isa.SSE42, "sandybridge": Isa.AVX, "ivybridge": Isa.AVX, "piledriver": Isa.AVX,
    "haswell": Isa.AVX2, "alderlake": Isa.AVX2, "skylakex": Isa.AVX512, "cannonlake": Isa.AVX512,
    "cascadelake": Isa.AVX512_VNNI, "icelake": Isa.AVX512_VNNI, "cooperlake": Isa.AVX512_VNNI,
    "zen4": Isa.AVX512_VNNI, "sapphirerapids": Isa.AMX,
}  # fmt: skip
"""What each of llama.cpp's CPU backends uses (ggml/src/CMakeLists.txt, GGML_CPU_ALL_VARIANTS)."""

NAMES = {Isa.SSE42: "sse42", Isa.AVX: "sandybridge", Isa.AVX2: "haswell", Isa.AVX512: "skylakex"}
"""The backend that stands for an instruction set where only features are printed."""

_FEATURE = re.compile(r"\b(?:CPU\.\d+\.)?([A-Z][A-Z0-9_]{2,20})\s{0,2}=\s{0,2}([01])\b")


def of_flags(flags: Collection[str]) -> Isa | None:
    """Return the widest of the flags in /proc/cpuinfo; None for something that is no x86 or ARM list."""
    have = set(flags)
    for isa, needs in (
        (Isa.AMX, {"amx_int8", "avx512f"}),
        (Isa.AVX512_VNNI, {"avx512_vnni", "avx512f"}),
        (Isa.AVX512, {"avx512f", "avx512bw"}),
        (Isa.AVX2, {"avx2", "fma"}),
        (Isa.AVX, {"avx"}),
        (Isa.SSE42, {"sse2"}),
        (Isa.NEON_I8MM, {"i8mm", "asimd"}),
        (Isa.NEON_DOTPROD, {"asimddp"}),
        (Isa.NEON, {"asimd"}),
    ):
        if needs <= have:
            return isa
    return None


def of_features(text: str) -> Isa | None:
    """Return the widest that a line of features names as 1, such as ``AVX2 = 1 | FMA = 0``; None where it is none."""
    features = {name: value == "1" for name, value in _FEATURE.findall(text)}
    if not any(name in features for name in ("SSE3", "AVX", "NEON", "LLAMAFILE")):
        return None
    on = {name for name, value in features.items() if value}
    for isa, name in (
        (Isa.AMX, "AMX_INT8"), (Isa.AVX512_VNNI, "AVX512_VNNI"), (Isa.AVX512, "AVX512"), (Isa.AVX2, "AVX2"),
        (Isa.AVX, "AVX"), (Isa.NEON_I8MM, "MATMUL_INT8"), (Isa.NEON_DOTPROD, "DOTPROD"), (Isa.NEON, "NEON"),
    ):  # fmt: skip
        if name in on and not (isa in (Isa.AVX512_VNNI, Isa.AMX) and "AVX512" not in on):
            return isa
    if features.get("SSE3") is False:
        return None  # every x86 has it: it is another architecture
    # Without one of them only a list that shows SSE3, or zeros for AVX, says anything.
    return Isa.SSE42 if "SSE3" in on or features.get("AVX") is False else None


def narrower(one: Isa | None, other: Isa | None) -> bool:
    """Return whether one is narrower than the other."""
    return one in ORDER and other in ORDER and ORDER.index(one) < ORDER.index(other)
