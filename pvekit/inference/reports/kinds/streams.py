"""Measured memory bandwidth: STREAM, mbw, sysbench, Intel's MLC."""

from __future__ import annotations

import re

from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Text

_STREAM = re.compile(r"^(Copy|Scale|Add|Triad):\s+(\d{1,9}(?:\.\d{1,9})?)\s+[\d.]+\s+[\d.]+")
_MBW = re.compile(r"^AVG\s+Method: (?:MEMCPY|MCBLOCK|DUMB)\s+Elapsed:.{0,60}Copy: (\d{1,9}(?:\.\d{1,9})?) MiB/s")
_MLC = re.compile(r"^(?:ALL Reads|Stream-triad like)\s*:\s+(\d{1,9}(?:\.\d{1,9})?)")


def read(text: Text, found: Found) -> None:
    """Read the best triad, or the best of what else reads over all cores; a copy by one thread is a note only."""
    rates: dict[str, float] = {}
    for line in text.lines:
        if match := _STREAM.match(line.text):
            found.take(line)
            if match.group(1) == "Triad":
                found.say("host.triad", float(match.group(2)) / 1000, line)
        elif match := _MLC.match(line.text):
            found.take(line)
            found.say("host.triad", float(match.group(1)) / 1000, line)
        elif match := _MBW.match(line.text):
            found.take(line)
            rates["mbw"] = max(rates.get("mbw", 0.0), float(match.group(1)) * 2 * 1.048576 / 1000)
        elif "MiB/sec" in line.text and "transferred" in line.text:
            found.take(line)
    if "mbw" in rates:
        found.note(f"mbw moved {rates['mbw']:.1f} GB/s with one thread; the bandwidth of all cores is higher.")
