"""numactl --hardware and numastat: how many nodes there are."""

from __future__ import annotations

import re

from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text

_AVAILABLE = re.compile(r"^available: (\d{1,3}) nodes? \(")
_OTHER = re.compile(r"^node \d+ (?:cpus|size|free):|^node distances|^node +0|^ +\d+: +\d+")


_SIZE = re.compile(r"^node (\d+) (size|free): (\d{1,9}) MB")


def read(text: Text, found: Found) -> None:
    """Read the count, and how much more one node's memory is in use than another's in the last list."""
    inside = False
    size: dict[str, int] = {}
    used: dict[str, tuple[int, Line]] = {}
    for line in text.lines:
        if match := _SIZE.match(line.text):
            node, what, value = match.group(1), match.group(2), int(match.group(3))
            found.take(line)
            if what == "size":
                size[node] = value
            elif node in size:
                used[node] = (size[node] - value, line)
        if match := _AVAILABLE.match(line.text):
            inside = True
            found.take(line)
            found.say("numa.nodes", int(match.group(1)), line)
        elif inside and _OTHER.match(line.text):
            found.take(line)
    if len(used) > 1:
        most, least = max(used.values(), key=lambda one: one[0]), min(used.values(), key=lambda one: one[0])
        found.say("numa.uneven", (most[0] - least[0]) * 1024**2, most[1])
