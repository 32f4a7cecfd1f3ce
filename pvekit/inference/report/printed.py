"""What llama-bench prints with ``-o json`` or ``-o jsonl``, inside a record or as a file of its own."""

from __future__ import annotations

import json
from typing import Any

from pvekit.inference.report.figures import mapping, words
from pvekit.model.benchmark import Record


def rows(raw: Any) -> list[Any]:
    """Return what llama-bench printed: one object, a list of them, or one per line."""
    for texts in ([raw], raw.splitlines()) if isinstance(raw, str) else ():
        try:
            found = [json.loads(text) for text in texts if text.strip()]
        except (ValueError, RecursionError):
            continue
        return [each for row in found for each in (row if isinstance(row, list) else [row])]
    return []


def records(text: str) -> list[Record]:
    """Return the records of a file that llama-bench itself wrote; none where it is something else."""
    found = [mapping(row) for row in rows(text)]
    return [
        Record("llama-bench", f"line {number}", words(row.get("test_time")), {"raw": json.dumps(row), "variant": None})
        for number, row in enumerate(found, 1)
        if "avg_ts" in row and "n_prompt" in row
    ]
