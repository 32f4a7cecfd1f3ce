"""A look at a host and its judgement, each against the time that nothing can make shorter.

python -m benchmarks.passthrough [--host USER@ADDRESS:PORT --key FILE --host-key LINE] [--bundle FILE]

``collect``: a host against a login there that does nothing; without ``--host`` this machine against ``lspci -nnvv``
and ``dmesg`` alone. ``diagnose``: a bundle (that of the host, or ``--bundle``) against the start of ``pvekit --help``,
which does the same without judging.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pvekit.adapters.nodessh import NodeDoor
from pvekit.adapters.ssh import Target
from pvekit.workflows.collect import Host, collect, own_key, pinned_keys, save, split_host

COLLECT_GOAL = 3.0
DIAGNOSE_GOAL = 0.5
REPEATS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="local")
    parser.add_argument("--key", type=Path)
    parser.add_argument("--host-key", default="")
    parser.add_argument("--bundle", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bundle.tar.gz"
        collected(Host(options.host, options.host_key, options.key), path)
        diagnosed(options.bundle or path)


def collected(host: Host, path: Path) -> None:
    """Print how long the host takes to tell everything, and leave it in a bundle."""
    files = save(collect(host), path)
    tools = [argv for argv in (["lspci", "-nnvv"], ["dmesg"]) if shutil.which(argv[0])]
    limit = " and ".join(argv[0] for argv in tools) if host.name == "local" else "a login"
    nothing, whole = medians(lambda: quiet(*tools) if host.name == "local" else login(host), lambda: collect(host))
    print(f"collect: {files} files in {whole:.2f} s, {limit} alone {nothing:.2f} s, ratio {whole / nothing:.1f}")
    print(f"         beyond that {whole - nothing:.2f} s (goal {COLLECT_GOAL} s)")


def diagnosed(bundle: Path) -> None:
    """Print how long the judgement of a bundle takes."""
    start, whole = medians(
        lambda: quiet(pvekit("--help")), lambda: quiet(pvekit("passthrough", "diagnose", str(bundle)))
    )
    print(f"diagnose: {whole:.2f} s, start-up alone {start:.2f} s, ratio {whole / start:.1f}")
    print(f"          beyond that {whole - start:.2f} s (goal {DIAGNOSE_GOAL} s)")


def login(host: Host) -> None:
    """Log in, do nothing, and log out."""
    user, address, port = split_host(host.name)
    keys = pinned_keys(host, address, port)
    door = NodeDoor(host.name, Target(host.name, address, port, user, keys, host.key or own_key()), sudo=False)
    try:
        door.run(["true"])
    finally:
        door.close()


def pvekit(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pvekit.cli", *arguments]


def quiet(*programs: list[str]) -> None:
    for argv in programs:
        subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def medians(*works: Callable[[], object]) -> list[float]:
    """Return how long each takes; they take turns, so that a busy moment meets all of them."""

    def seconds(work: Callable[[], object]) -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    rounds = [[seconds(work) for work in works] for _ in range(REPEATS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


if __name__ == "__main__":
    main()
