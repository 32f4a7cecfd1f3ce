"""Write the distributions of public results that ``pvekit llm report`` compares with.

    python -m benchmarks.llm_public TABLE.csv [--out FILE]

The table has one measured speed per row (source, hardware, mem_bw_GBs, backend, model, model_GiB, test, tok_s,
device_class). Only decode counts. Hardware with many rows would outvote the rest: each kind of hardware gives one
value per group, the median of its rows. Rows that do not parse, and the case that pvekit began with, are left out.
"""

from __future__ import annotations

import argparse
import csv
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import yaml

OUT = Path(__file__).parents[1] / "pvekit" / "inference" / "report" / "public.yaml"
SIZES = (0.5, 1, 2, 4, 6, 12, 24, 48)
"""Borders of the groups by size of the model, in GiB: what fits the same cards lies together."""
FEWEST = 5
"""Kinds of hardware in a group; fewer say nothing about a rank."""
_SEED = "blog post of 2025-03-08"
_DATE = re.compile(r"\d{4}-\d{2}(?:-\d{2})?")
_GIB = 2**30


@dataclass(frozen=True, slots=True)
class Row:
    """One public decode speed. ``efficiency`` is the share of the peak bandwidth that reading the model took."""

    source: str
    hardware: str
    kind: str
    size: float
    rate: float
    efficiency: float


def kind_of(hardware: str, given: str) -> str:
    """Return the class of the hardware. The table takes HBM2 and SXM2 for Apple's M2."""
    if given != "apple-gpu" or hardware.startswith(("Apple", "M1", "M2", "M3", "M4")):
        return given
    if "P100" in hardware:
        return "nvidia-pascal-old"
    return "nvidia-volta-turing" if "V100" in hardware else "nvidia-hbm-dc"


def rows(table: Iterable[Mapping[str, str]]) -> list[Row]:
    """Return the usable decode rows."""
    found = []
    for line in table:
        try:
            size, rate, peak = (float(line[name]) for name in ("model_GiB", "tok_s", "mem_bw_GBs"))
        except (KeyError, TypeError, ValueError):
            continue
        good = all(math.isfinite(value) and value > 0 for value in (size, rate, peak))
        if not good or not line["test"].startswith("tg") or line["source"].startswith(_SEED):
            continue
        if rate * size * _GIB / 1e9 > peak * 1.05:
            continue  # More than the memory can: the bandwidth is that of one of several boards.
        kind = kind_of(line["hardware"], line["device_class"])
        source = re.sub(r",? ?median of \d+", "", line["source"])
        found.append(Row(source, line["hardware"], kind, size, rate, rate * size * _GIB / 1e9 / peak))
    return found


def spread(values: Sequence[float]) -> list[float]:
    """Return the least, nine deciles and the greatest."""
    inner = quantiles(values, n=10, method="inclusive")
    return [float(f"{value:.4g}") for value in (min(values), *inner, max(values))]


def groups(found: Sequence[Row], kind: str, what: str) -> list[dict[str, Any]]:
    """Return the groups of one class by size, and the whole class last, each with one value per hardware."""
    borders = [*zip((0, *SIZES), (*SIZES, None), strict=True), (0, None)]
    made = []
    for low, high in borders:
        if (low, high) == (0, None) and what == "rate":
            continue  # Speeds of small and large models together are no distribution of anything.
        by_hardware = defaultdict(list)
        for row in found:
            if row.kind == kind and row.size >= low and (high is None or row.size < high):
                by_hardware[row.hardware].append(float(getattr(row, what)))
        if len(by_hardware) >= FEWEST:
            values = [median(each) for each in by_hardware.values()]
            made.append({"from": low, "to": high, "n": len(values), "deciles": spread(values)})
    return made


def summary(found: Sequence[Row]) -> dict[str, Any]:
    """Return all that the report needs."""
    sources = Counter(row.source for row in found)
    dates = sorted(match[0] for source in sources for match in _DATE.finditer(source))
    return {
        "oldest": dates[0],
        "newest": dates[-1],
        "hardware": len({row.hardware for row in found}),
        "rows": len(found),
        "sources": [{"name": name, "rows": count} for name, count in sources.most_common()],
        "classes": {
            kind: {what: groups(found, kind, what) for what in ("efficiency", "rate")}
            for kind in sorted({row.kind for row in found})
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    with options.table.open(encoding="utf-8", newline="") as lines:
        made = summary(rows(csv.DictReader(lines)))
    head = "# Public decode speeds, one value per kind of hardware. Written by benchmarks/llm_public.py.\n"
    body = yaml.safe_dump(made, sort_keys=False, default_flow_style=None, width=120, allow_unicode=True)
    options.out.write_text(head + body, encoding="utf-8")
    print(f"{options.out}: {made['rows']} rows of {made['hardware']} kinds of hardware")
    for kind, parts in made["classes"].items():
        print(f"  {kind:20}", *(f"{part['from']}-{part['to'] or ''}: {part['n']}" for part in parts["efficiency"]))


if __name__ == "__main__":
    main()
