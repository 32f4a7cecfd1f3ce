"""How to start the unpacked tools."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tests.llama import install

VARIANTS = ("sse42", "sandybridge", "haswell", "skylakex", "icelake")
"""CPU variants for an experiment: SSE4.2, AVX, AVX2, AVX-512, AVX-512 with VNNI."""


def argv(tool: str, *arguments: str) -> list[str]:
    """Return the argument list that starts ``tool`` (``llama-bench``, ``llama-server``) with its own loader."""
    root = install.install()
    libraries = root / "usr/lib/x86_64-linux-gnu"
    own = f"{libraries}:{libraries}/llama.cpp:{libraries}/llama"
    return [str(root / "lib64/ld-linux-x86-64.so.2"), "--library-path", own, str(root / "usr/bin" / tool), *arguments]


def backend(variant: str) -> Path:
    """Return the library of one CPU variant."""
    found = sorted(install.install().glob(f"usr/lib/*/ggml/*/libggml-cpu-{variant}.so"))
    assert found, f"the package has no CPU variant {variant}"
    return found[0]


def best(flags: Sequence[str] | None = None) -> str:
    """Return the best of ``VARIANTS`` that this processor runs."""
    have = set(flags if flags is not None else _flags())
    needs = {
        "sse42": {"sse4_2"}, "sandybridge": {"avx"}, "haswell": {"avx2", "fma", "f16c", "bmi2"},
        "skylakex": {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"},
        "icelake": {"avx512_vnni", "avx512vbmi"},
    }  # fmt: skip
    found = "sse42"
    for variant in VARIANTS:
        if not needs[variant] <= have:
            break
        found = variant
    return found


def environment(variant: str | None = None) -> dict[str, str]:
    """Return the environment with one CPU variant chosen: the best by default, since the package's folder is fixed."""
    return {**os.environ, "GGML_BACKEND_PATH": str(backend(variant or best()))}


def _flags() -> list[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return line.partition(":")[2].split()
    return []
