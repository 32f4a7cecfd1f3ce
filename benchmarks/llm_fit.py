"""Fit the coefficients of ``pvekit llm predict`` to a table of public measurements, and say how well they hold.

    python -m benchmarks.llm_fit TABLE.csv [--out FILE] [--test]

The table has one measured speed per row (source, hardware, mem_bw_GBs, mem_bw_from, backend, model, quant, model_GiB,
test, tok_s, device_class, host_or_power). Printed by class: the median absolute error in percent with all rows of the
same hardware left out, from the specification alone and with one probe (another model measured on the same machine);
and how many rows the 80 % interval holds, its width taken from other hardware. ``--test`` holds the coefficients that
stand in the package against a table of other hardware, fits nothing and writes nothing.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

import yaml

from benchmarks.llm_fit_parts import document, folds, scores, table

OUT = Path(__file__).parents[1] / "pvekit" / "inference" / "predict" / "coefficients.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Fit or test, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--test", action="store_true", help="hold the package's coefficients against the table")
    options = parser.parse_args(arguments)
    raw = options.table.read_bytes()
    rows = table.rows(csv.DictReader(io.StringIO(raw.decode())))
    if options.test:
        known = yaml.safe_load(OUT.read_text(encoding="utf-8"))
        print(scores.text(scores.against(folds.held(rows, known["groups"]), known["intervals"])))
        return 0
    groups, held = folds.fit(rows)
    found = scores.score(held)
    print(scores.text(found))
    data = document.content(groups, found, rows, raw, f"{datetime.now(UTC):%Y-%m-%d}")
    options.out.write_text(document.text(data), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
