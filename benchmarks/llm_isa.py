"""What an instruction set is worth: the CPU variants of llama.cpp on one model, in tokens per CPU-second.

Prints a table of decode and prefill by variant, as ratios to AVX2, beside what pvekit's predictions and explanations
take them to be. One thread; user and system seconds of each process; the difference of two lengths takes out loading
and warming up. The variants take turns, so that what drifts is in all of them; the median of the rounds counts.

    python benchmarks/llm_isa.py [MODEL.gguf] [--rounds 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pvekit.adapters import gguf
from pvekit.inference.hardware import Isa
from pvekit.inference.models import demand as demands
from pvekit.inference.predict.features import KERNEL, MATRIX
from pvekit.inference.predict.work import mean_cost
from tests.llama import tools
from tests.llama.model import gemma

NAMES = {"sse42": "SSE4.2", "sandybridge": "AVX", "haswell": "AVX2", "skylakex": "AVX-512", "icelake": "AVX-512 VNNI"}
ASSUMED = {"sse42": "sse42", "sandybridge": "avx", "haswell": "avx2", "skylakex": "avx512", "icelake": "avx512-vnni"}
BASE = "haswell"
LENGTHS = {"decode": ("-n", 4, 24), "prefill": ("-p", 32, 128)}


def cpu_seconds(variant: str, model: str, phase: str, tokens: int, *more: str) -> float:
    """Return user and system seconds of one llama-bench that does so many tokens."""
    flag = LENGTHS[phase][0]
    other = "-p" if flag == "-n" else "-n"
    plain = ("-m", model, "-t", "1", "-r", "1", "--no-warmup", flag, str(tokens), other, "0")
    argv = tools.argv("llama-bench", *plain, *more)
    process = subprocess.Popen(
        argv, env=tools.environment(variant), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    stderr = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or f"libggml-cpu-{variant}.so" not in stderr:
        raise SystemExit(f"llama-bench with {variant} ended with {process.returncode}: {stderr[-500:]}")
    return usage.ru_utime + usage.ru_stime


def per_cpu_second(variant: str, model: str, phase: str) -> float:
    """Return tokens per CPU-second, from the difference of two lengths."""
    _, short, long = LENGTHS[phase]
    return (long - short) / (cpu_seconds(variant, model, phase, long) - cpu_seconds(variant, model, phase, short))


def runnable() -> tuple[list[str], list[str]]:
    """Return the variants that this processor runs, and the others."""
    best = tools.VARIANTS.index(tools.best())
    return list(tools.VARIANTS[: best + 1]), list(tools.VARIANTS[best + 1 :])


def measure(model: str, variants: list[str], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return all samples by phase and variant."""
    found: dict[str, dict[str, list[float]]] = {phase: {name: [] for name in variants} for phase in LENGTHS}
    for number in range(rounds):
        for phase in LENGTHS:
            for name in variants[:: 1 if number % 2 == 0 else -1]:
                found[phase][name].append(per_cpu_second(name, model, phase))
                print(f"round {number + 1} {phase} {NAMES[name]}: {found[phase][name][-1]:.2f}", file=sys.stderr)
    return found


def assumed(model: str) -> dict[str, dict[str, float]]:
    """Return what pvekit takes the variants to be, as ratios to AVX2, for the types of this model's weights."""
    demand = demands.of_file(gguf.read(Path(model)))
    known = {name: Isa(isa) for name, isa in ASSUMED.items()}
    decode = {name: KERNEL[isa] / mean_cost(demand, isa) for name, isa in known.items()}
    return {
        "decode": {name: rate / decode[BASE] for name, rate in decode.items()},
        "prefill": {name: MATRIX[isa] / MATRIX[known[BASE]] for name, isa in known.items()},
    }


def table(samples: dict[str, dict[str, list[float]]], left_out: list[str], taken: dict[str, dict[str, float]]) -> str:
    """Return the ratios beside what is assumed."""
    columns = f"{'decode/CPU-s':>14}{'of AVX2':>9}{'assumed':>9}", f"{'prefill/CPU-s':>14}{'of AVX2':>9}{'assumed':>9}"
    lines = [f"{'variant':<14}{columns[0]}   {columns[1]}{'pp/tg':>8}"]
    middle = {phase: {name: statistics.median(rates) for name, rates in by.items()} for phase, by in samples.items()}
    for name in middle["decode"]:
        cells = []
        for phase in ("decode", "prefill"):
            ratio = middle[phase][name] / middle[phase][BASE]
            cells.append(f"{middle[phase][name]:14.2f}{ratio:9.2f}{taken[phase][name]:9.2f}")
        quotient = middle["prefill"][name] / middle["decode"][name]
        lines.append(f"{NAMES[name]:<14}{cells[0]}   {cells[1]}{quotient:8.1f}")
    lines += [f"{NAMES[name]}: this processor does not have it" for name in left_out]
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("model", nargs="?", help="a GGUF file; default: Gemma 3 270M of the tests")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--json", type=Path, help="write every sample here")
    chosen = options.parse_args()
    variants, left_out = runnable()
    model = chosen.model or str(gemma())
    samples = measure(model, variants, chosen.rounds)
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"samples": samples, "not here": left_out}, indent=1) + "\n")
    print(table(samples, left_out, assumed(model)))


if __name__ == "__main__":
    main()
