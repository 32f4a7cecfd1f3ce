"""Start-up of `pvekit --help` against `python -c "import click"`.

python -m benchmarks.startup
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

GOAL = 2.5
REPEATS = 15


def main() -> None:
    pairs = [(seconds("-c", "import click"), seconds("-m", "pvekit.cli", "--help")) for _ in range(REPEATS)]
    limit, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"import click {limit:.3f} s, pvekit --help {ours:.3f} s, ratio {ours / limit:.2f} (goal {GOAL})")


def seconds(*arguments: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
