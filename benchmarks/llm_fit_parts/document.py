"""The file that the fit writes and the package reads."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from benchmarks.llm_fit_parts.folds import SPREAD
from benchmarks.llm_fit_parts.scores import Score
from benchmarks.llm_fit_parts.table import Row
from pvekit.inference.predict.formula import Group

_HEAD = """\
# Written by `python -m benchmarks.llm_fit TABLE.csv`; do not edit. Errors are of rows whose hardware was left out of
# the fit: median absolute percent, and the percent of rows that the 80 % interval of other hardware holds.
"""


def content(groups: Mapping[str, Group], scores: Sequence[Score], rows: Sequence[Row], table: bytes, date: str) -> Any:
    """Return the file's content."""
    intervals: dict[str, dict[str, dict[str, list[float]]]] = {}
    errors: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for each in scores:
        both = [round(each.low, 3), round(each.high, 3)]
        intervals.setdefault(each.basis, {}).setdefault(each.phase, {})[each.kind] = both
        errors.setdefault(each.basis, {}).setdefault(each.phase, {})[each.kind] = {
            "error": round(each.error, 1), "held": round(each.held), "rows": each.rows, "hardware": each.hardware,
        }  # fmt: skip
    plain = {(row.phase, row.kind, row.hardware) for row in rows if not row.device.features["localscore"]}
    counted = Counter((phase, kind) for phase, kind, _ in plain)
    return {
        "date": date,
        "table": hashlib.sha256(table).hexdigest(),
        "rows": len(rows),
        "classes": sorted({row.kind for row in rows}),
        "groups": {
            name: {rate: {key: round(value, 4) for key, value in each.items()} for rate, each in group.items()}
            for name, group in groups.items()
        },
        "spread": SPREAD,
        "intervals": intervals,
        "errors": errors,
        "measured": {
            phase: {kind: count for (each, kind), count in sorted(counted.items()) if each == phase}
            for phase in ("decode", "prefill")
        },
    }


def text(data: Any) -> str:
    """Return the file."""
    return _HEAD + yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=118)
