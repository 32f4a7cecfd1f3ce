"""A look at this machine and its judgement, each against the time that the programs under it need.

python -m benchmarks.passthrough

``collect``: the collecting script against ``lspci -nnvv`` and ``dmesg`` alone, run here. ``diagnose``: a full bundle
against the start of ``pvekit --help``, which does the same without judging.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pvekit.workflows.collect import Host, collect, save

COLLECT_GOAL = 3.0
DIAGNOSE_GOAL = 0.5
REPEATS = 7


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.tar.gz"
        files = save(collect(Host("local")), path)
        here = median(lambda: collect(Host("local")))
        tools = [argv for argv in (["lspci", "-nnvv"], ["dmesg"]) if shutil.which(argv[0])]
        limit = median(lambda: quiet(*tools))
        alone = " and ".join(argv[0] for argv in tools)
        print(f"collect: {files} files in {here:.2f} s (goal {COLLECT_GOAL} s)")
        print(f"         {alone} alone {limit:.2f} s, ratio {here / limit:.1f}")
        start = median(lambda: quiet(pvekit("--help")))
        whole = median(lambda: quiet(pvekit("passthrough", "diagnose", str(path))))
        print(f"diagnose: {whole:.2f} s, of these start-up {start:.2f} s, ratio {whole / start:.1f}")
        print(f"          judging {whole - start:.2f} s (goal {DIAGNOSE_GOAL} s)")


def pvekit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pvekit.cli", *arguments]


def quiet(*programs: list[str]) -> None:
    for argv in programs:
        subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def median(work: Callable[[], object]) -> float:
    def seconds() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return statistics.median(seconds() for _ in range(REPEATS))


if __name__ == "__main__":
    main()
