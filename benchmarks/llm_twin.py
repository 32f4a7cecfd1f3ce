"""Whether a made-up model is as large and as fast as the real one: `pvekit llm synth FILE` against FILE itself.

Compares the bytes of all tensors, which must be equal, and the speed in tokens per CPU-second, which must be within
5 %. The files differ by their vocabularies alone: a twin has words of its own, and that difference is printed.
llama-bench takes its tokens at random and never ends early, so what the two would say does not matter. One thread; the
difference of two lengths takes out loading and warming up. The two take turns and each turn is a ratio of its own, so
that what drifts is in both; the median of the ratios decides. Weights are read, not mapped: how a file
happens to lie in the page cache is worth some percent, and says nothing of the model.

    python benchmarks/llm_twin.py [MODEL.gguf] [--rounds 15] [--phase decode] [--json FILE]

Ends with 1 when the tensors' bytes differ or the median is beyond 5 %.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.llm_isa import cpu_seconds
from pvekit.adapters import gguf
from pvekit.workflows import llm_synth
from tests.llama import tools
from tests.llama.model import gemma

LIMIT = 0.05
LENGTHS = {"decode": (4, 68), "prefill": (32, 288)}
_SURE = 0.95
_READ = ("--load-mode", "none")


def rates(models: tuple[str, str], phase: str) -> tuple[float, float]:
    """Return tokens per CPU-second of two models, measured one within the other: 1 short, 2 short, 2 long, 1 long."""
    short, long = LENGTHS[phase]
    variant = tools.best()
    first = -cpu_seconds(variant, models[0], phase, short, *_READ)
    second = -cpu_seconds(variant, models[1], phase, short, *_READ)
    second += cpu_seconds(variant, models[1], phase, long, *_READ)
    first += cpu_seconds(variant, models[0], phase, long, *_READ)
    return (long - short) / first, (long - short) / second


def measure(real: str, twin: str, phase: str, rounds: int) -> list[tuple[float, float]]:
    """Return the rates of both, by turn."""
    found = []
    for number in range(rounds):
        if number % 2:
            theirs, ours = rates((real, twin), phase)
        else:
            ours, theirs = rates((twin, real), phase)
        found.append((theirs, ours))
        print(f"turn {number + 1}: real {theirs:.2f}, twin {ours:.2f}, ratio {ours / theirs:.3f}", file=sys.stderr)
    return found


def bounds(ratios: list[float]) -> tuple[float, float]:
    """Return between which of the values the true median lies in 95 of 100 cases; all of them when they are few."""
    ordered, count = sorted(ratios), len(ratios)
    cut, outside = 0, 2 * 0.5**count
    while cut < (count - 1) // 2 and outside <= 1 - _SURE:
        cut += 1
        outside += 2 * math.comb(count, cut) * 0.5**count
    # The last step was one too many.
    cut = max(0, cut - 1)
    return ordered[cut], ordered[-1 - cut]


def sizes(real: Path, twin: Path) -> tuple[int, int, str]:
    """Return the bytes of both models' tensors, and what is to be said of them."""
    one, other = (sum(tensor.bytes for tensor in gguf.read(path).tensors) for path in (real, twin))
    whole = real.stat().st_size, twin.stat().st_size
    return one, other, (
        f"tensors: real {one:,} bytes, twin {other:,}: {'equal' if one == other else 'DIFFERENT'}\n"
        f"files: real {whole[0]:,} bytes, twin {whole[1]:,}: {whole[1] / whole[0] - 1:+.2%}, the vocabulary"
    )  # fmt: skip


def main() -> int:
    """Make the twin, measure and print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("model", nargs="?", type=Path, help="a GGUF file; default: Gemma 3 270M of the tests")
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--phase", choices=tuple(LENGTHS), default="decode")
    options.add_argument("--seed", type=int, default=0, help="of the twin's weights")
    options.add_argument("--json", type=Path, help="write every sample here")
    chosen = options.parse_args()
    real = chosen.model or gemma()
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory(prefix="pvekit-twin-") as folder:
        twin = llm_synth.synth(str(real), None, Path(folder) / "twin.gguf", seed=chosen.seed).path
        one, other, told = sizes(real, twin)
        print(told, flush=True)
        found = measure(str(real), str(twin), chosen.phase, max(1, chosen.rounds))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"phase": chosen.phase, "real and twin": found}, indent=1) + "\n")
    theirs, ours = (statistics.median(pair[side] for pair in found) for side in (0, 1))
    ratios = [pair[1] / pair[0] for pair in found]
    middle, (low, high) = statistics.median(ratios), bounds(ratios)
    print(f"load after: {os.getloadavg()[0]:.1f}")
    print(f"{chosen.phase}: real {theirs:.2f}, twin {ours:.2f} tokens per CPU-second")
    print(f"ratio {middle:.3f}, its 95 % interval {low:.3f} to {high:.3f}")
    print(f"single turns {min(ratios):.3f} to {max(ratios):.3f}")
    good = one == other and abs(middle - 1) <= LIMIT
    print(f"equal in bytes, and within {LIMIT:.0%} in speed: {'yes' if good else 'NO'}")
    if good and max(abs(low - 1), abs(high - 1)) > LIMIT:
        print("the interval reaches beyond: more rounds, or a quieter machine, would tell for sure")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
