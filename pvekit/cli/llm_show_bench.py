"""Results of a benchmark as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pvekit.cli.show import table

if TYPE_CHECKING:
    from pvekit.model.benchmark import Record
    from pvekit.workflows.llm_bench_compare import Compared, Line

_NONE = "-"


def text(records: Sequence[Record], found: Sequence[Line]) -> str:
    """Return what was predicted and measured, and what failed."""
    parts = [_benched([line for line in found if line.kind == "llama-bench"])]
    parts += [_served([line for line in found if line.kind == "http"]), _notes(records), _failures(records)]
    return "\n\n".join(part for part in parts if part) or "nothing was measured"


def compared(found: Sequence[Compared], name: str) -> str:
    """Return both runs side by side; what only one of them has is left out."""
    if not found:
        return f"{name} holds nothing that this run measured as well"
    rows = [
        [one.after.what, rate(one.before.median), rate(one.after.median), f"{one.ratio:.2f}", _interval(one)]
        for one in found
    ]
    return table(("tokens/s", name, "now", "ratio", "95 % of it"), rows)


def rate(value: float) -> str:
    """Return tokens/s with as many digits as make sense."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _interval(one: Compared) -> str:
    if one.low is None or one.high is None:
        return "one sample only"
    sure = "" if one.low > 1 or one.high < 1 else ", may be chance"
    return f"{one.low:.2f} to {one.high:.2f}{sure}"


def _benched(found: Sequence[Line]) -> str:
    if not found:
        return ""
    rows = [[line.what, *_spread(line), _predicted(line), _energy(line)] for line in found]
    return table(("llama-bench, tokens/s", "low", "median", "high", "samples", "predicted", "energy"), rows)


def _served(found: Sequence[Line]) -> str:
    if not found:
        return ""
    rows = [
        [line.what, *_spread(line), _seconds(line.first), _seconds(line.gap), str(line.errors or _NONE), _energy(line)]
        for line in found
    ]
    numbers = ("low", "median", "high", "rounds", "first token", "between", "errors", "energy")
    return table(("served, tokens/s of all", *numbers), rows)


def _spread(line: Line) -> list[str]:
    return [rate(min(line.samples)), rate(line.median), rate(max(line.samples)), str(len(line.samples))]


def _predicted(line: Line) -> str:
    if line.predicted is None:
        return _NONE
    low, value, high = line.predicted
    return f"{rate(value)} ({rate(low)} to {rate(high)})"


def _energy(line: Line) -> str:
    return ", ".join(f"{value:.3g} J/token ({source})" for source, value in line.joules) or _NONE


def _seconds(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def _notes(records: Sequence[Record]) -> str:
    found = next((record.data.get("notes") for record in records if record.kind == "prediction"), None)
    return "\n".join(f"note: {note}" for note in found) if isinstance(found, list) else ""


def _failures(records: Sequence[Record]) -> str:
    done = {record.key for record in records if record.kind in ("llama-bench", "http")}
    found = {record.key: record.data for record in records if record.kind == "failure" and record.key not in done}
    made = []
    for key, data in found.items():
        made.append(f"failed: {key}: {data.get('what')}")
        made += [f"  {line}" for line in str(data.get("stderr") or "").splitlines()[-5:]]
    return "\n".join(made)
