"""numactl --hardware and numastat: how many nodes there are."""

from __future__ import annotations

import re

from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Text

_AVAILABLE = re.compile(r"^available: (\d{1,3}) nodes? \(")
_OTHER = re.compile(r"^node \d+ (?:cpus|size|free):|^node distances|^node +0|^ +\d+: +\d+")


def read(text: Text, found: Found) -> None:
    """Read the count and, where a node has no memory of its own, nothing else."""
    inside = False
    for line in text.lines:
        if match := _AVAILABLE.match(line.text):
            inside = True
            found.take(line)
            found.say("numa.nodes", int(match.group(1)), line)
        elif inside and _OTHER.match(line.text):
            found.take(line)
