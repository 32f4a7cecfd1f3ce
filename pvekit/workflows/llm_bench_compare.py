"""What a results file says, line by line, and how it differs from another one."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pvekit.adapters.llm.llama_bench import Row, parse
from pvekit.inference.tune.statistics import quantile
from pvekit.model.benchmark import Record


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement: tokens/s of every repetition, what was predicted, and joules per token by source.

    ``first`` and ``gap`` are the median time to first token and between tokens in seconds, of the served API only.
    """

    kind: str
    key: str
    what: str
    samples: tuple[float, ...]
    predicted: tuple[float, float, float] | None = None
    joules: tuple[tuple[str, float], ...] = ()
    first: float | None = None
    gap: float | None = None
    errors: int = 0

    @property
    def median(self) -> float:
        """Return the median."""
        return statistics.median(self.samples)


@dataclass(frozen=True, slots=True)
class Compared:
    """One measurement in two files. ``ratio`` is the second over the first; ``low`` and ``high`` hold 95 % of it.

    The interval is None where one of them has a single sample.
    """

    before: Line
    after: Line
    ratio: float
    low: float | None
    high: float | None


def lines(records: Sequence[Record]) -> list[Line]:
    """Return what was measured, in order; of what was measured again, the last counts."""
    predicted = next((record.data for record in records if record.kind == "prediction"), {})
    joules: dict[str, dict[str, float]] = {}
    for record in records:
        value = record.data.get("joules_per_token")
        if record.kind == "energy" and isinstance(value, int | float):
            joules.setdefault(record.key, {})[str(record.data.get("source"))] = float(value)
    found: dict[tuple[str, str], Line] = {}
    for record in records:
        spent = tuple(joules.get(record.key, {}).items())
        made = _benched(record, predicted, spent) if record.kind == "llama-bench" else (
            _served(record, spent) if record.kind == "http" else ()
        )  # fmt: skip
        for line in made:
            found[line.kind, line.key] = line
    return list(found.values())


def compare(before: Sequence[Record], after: Sequence[Record]) -> list[Compared]:
    """Return what both files hold."""
    old = {(line.kind, line.key): line for line in lines(before)}
    return [
        Compared(old[line.kind, line.key], line, *ratio(old[line.kind, line.key].samples, line.samples))
        for line in lines(after)
        if (line.kind, line.key) in old
    ]


def ratio(before: Sequence[float], after: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Return how many times faster ``after`` is, with the interval of Welch's test on logarithms (95 %)."""
    one, two = [math.log(value) for value in before], [math.log(value) for value in after]
    centre = statistics.fmean(two) - statistics.fmean(one)
    if len(one) < 2 or len(two) < 2:
        return math.exp(centre), None, None
    parts = [statistics.variance(one) / len(one), statistics.variance(two) / len(two)]
    total = sum(parts)
    if total == 0:
        return math.exp(centre), math.exp(centre), math.exp(centre)
    freedom = total**2 / (parts[0] ** 2 / (len(one) - 1) + parts[1] ** 2 / (len(two) - 1))
    half = quantile(0.975, max(1, math.floor(freedom))) * math.sqrt(total)
    return math.exp(centre), math.exp(centre - half), math.exp(centre + half)


def _benched(record: Record, predicted: Mapping[str, Any], spent: tuple[tuple[str, float], ...]) -> Iterator[Line]:
    try:
        rows = parse(str(record.data.get("raw", "")))
    except ValueError:
        return
    for number, row in enumerate(rows):
        samples = tuple(value for value in row.samples if value > 0)
        if samples:
            key = record.key if number == 0 else f"{record.key}-{number}"
            usual = "-t" not in record.key and "-b" not in record.key
            expected = _range(predicted, row) if usual else None
            yield Line("llama-bench", key, _what(row, record.key), samples, expected, spent)


def _what(row: Row, key: str) -> str:
    depth = f" after {row.n_depth}" if row.n_depth else ""
    words = {"prefill": f"prefill {row.n_prompt}", "decode": f"decode {row.n_gen}"}
    text = words.get(row.phase, f"prefill {row.n_prompt} and decode {row.n_gen}") + depth
    if "-t" in key:
        return f"{text}, {row.n_threads} thread{'s' if row.n_threads != 1 else ''}"
    return f"{text}, batch {row.n_batch}/{row.n_ubatch}" if "-b" in key else text


def _range(predicted: Mapping[str, Any], row: Row) -> tuple[float, float, float] | None:
    speeds = predicted.get(row.phase)
    for speed in speeds if isinstance(speeds, list) else ():
        if isinstance(speed, dict) and speed.get("depth") == (row.n_depth or 0) and isinstance(speed.get("rate"), dict):
            low, value, high = (speed["rate"].get(name) for name in ("low", "value", "high"))
            if all(isinstance(part, int | float) for part in (low, value, high)):
                return float(low), float(value), float(high)
    return None


def _served(record: Record, spent: tuple[tuple[str, float], ...]) -> Iterator[Line]:
    data = record.data
    samples = tuple(value for value in _numbers(data.get("samples")) if value > 0)
    if not samples:
        return
    clients = data.get("clients")
    what = f"{clients} client{'s' if clients != 1 else ''}, {data.get('asked_prompt_tokens')} tokens in, "
    gaps = _numbers(data.get("gaps_s"))
    first = _numbers(data.get("ttft_s"))
    errors = data.get("errors")
    yield Line(
        "http", record.key, f"{what}{data.get('asked_tokens')} out", samples, None, spent,
        statistics.median(first) if first else None, statistics.median(gaps) if gaps else None,
        len(errors) if isinstance(errors, list) else 0,
    )  # fmt: skip


def _numbers(value: object) -> list[float]:
    return [float(each) for each in value if isinstance(each, int | float)] if isinstance(value, list) else []
