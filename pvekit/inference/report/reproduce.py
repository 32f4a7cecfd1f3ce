"""The command lines that measure the same again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from pvekit.inference.report.view import Bench, Machine


def commands(machine: Machine) -> tuple[str, ...]:
    """Return pvekit's own command first, then llama-bench's with every setting that was measured."""
    own = (machine.command,) if machine.command else ()
    return tuple(dict.fromkeys((*own, *_benches(machine.benches))))


def _benches(runs: Sequence[Bench]) -> Iterable[str]:
    """Yield one line per setting; the lengths and depths that were measured with it stand in it together."""
    groups: dict[tuple[object, ...], list[Bench]] = {}
    for run in runs:
        groups.setdefault((run.file, run.phase == "both", len(run.samples), *sorted(run.knobs.items())), []).append(run)
    for group in groups.values():
        first = group[0]
        words = ["llama-bench", "-m", first.file or "MODEL.gguf"]
        if first.phase == "both":
            pairs = dict.fromkeys(f"{run.prompt},{run.generated}" for run in group)
            words += ["-p", "0", "-n", "0", *(word for pair in pairs for word in ("-pg", pair))]
        else:
            words += ["-p", _list(run.prompt for run in group), "-n", _list(run.generated for run in group)]
        if any(run.depth for run in group):
            words += ["-d", ",".join(str(depth) for depth in sorted({run.depth for run in group}))]
        words += [word for pair in first.knobs.items() for word in pair]
        if first.samples:
            words += ["-r", str(len(first.samples))]
        yield shlex.join([*words, "-o", "jsonl"])


def _list(counts: Iterable[int]) -> str:
    return ",".join(str(count) for count in sorted(set(counts) - {0})) or "0"
