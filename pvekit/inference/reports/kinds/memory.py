"""How much memory there is and how much is left: free, /proc/meminfo, the head of top."""

from __future__ import annotations

import re

from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text

_HEAD = re.compile(r"^\s+total\s+used\s+free\b")
_ROW = re.compile(
    r"^(Mem|Swap):\s+(\S{1,15})\s+(\S{1,15})\s+(\S{1,15})(?:\s+(\S{1,15})\s+(\S{1,15})\s+(\S{1,15}))?\s*$"
)
_PROC = re.compile(r"^(MemTotal|MemAvailable|SwapTotal|SwapFree|HugePages_Total):\s+(\d{1,15})(?: kB)?")
_TOP = re.compile(
    r"(MiB|KiB|GiB) (Mem|Swap) ?:\s*(\d{1,9}(?:\.\d{1,9})?) total,\s*(\d{1,9}(?:\.\d{1,9})?) free,"
    r"\s*(\d{1,9}(?:\.\d{1,9})?) used(?:[,.]\s*([\d"
    r".]+) (?:buff/cache|avail Mem))?"
)
_UNIT = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def read(text: Text, found: Found) -> None:
    """Read all three; the numbers of ``free`` without a unit are KiB unless they are too small for that."""
    side = "host" if text.side == "host" else "machine"
    proc: dict[str, int] = {}
    headed = False
    for line in text.lines:
        values: dict[str, int | None] = {}
        if _HEAD.match(line.text):
            headed = True
            found.take(line)
        elif (match := _ROW.match(line.text)) and (headed or match.group(5)):
            values = _free(match)
        elif match := _PROC.match(line.text):
            proc[match.group(1)] = int(match.group(2)) * 1024
            values = _meminfo(match.group(1), proc)
            found.take(line)
        else:
            values = _top(line)
        if values:
            found.take(line)
        for name, value in values.items():
            found.say(f"{side}.{name}", value, line)


def _free(match: re.Match[str]) -> dict[str, int | None]:
    unit = _unit(match.group(2))
    if match.group(1) == "Swap":
        return {"swap_used": _bytes(match.group(3), unit)}
    return {"memory": _bytes(match.group(2), unit), "available": _bytes(match.group(7) or match.group(4), unit)}


def _meminfo(name: str, known: dict[str, int]) -> dict[str, int | None]:
    if name == "SwapFree" and "SwapTotal" in known:
        return {"swap_used": known["SwapTotal"] - known["SwapFree"]}
    key = {"MemTotal": "memory", "MemAvailable": "available"}.get(name)
    return {key: known[name]} if key else {}


def _top(line: Line) -> dict[str, int | None]:
    values: dict[str, int | None] = {}
    for match in _TOP.finditer(line.text):
        base = _UNIT[match.group(1)]
        if match.group(2) == "Mem":
            values["memory"] = round(float(match.group(3)) * base)
        else:
            values["swap_used"] = round(float(match.group(5)) * base)
            values["available"] = round(float(match.group(6)) * base) if match.group(6) else None
    return values


def _unit(total: str) -> int:
    """Return the unit of bare numbers: -m prints MiB, the default KiB, -b bytes."""
    value = numbers.whole(total)
    if value is None:
        return 1
    return 1 if value > 5_000_000_000 else 1024 if value > 3_000_000 else 1024**2 if value > 300 else 1024**3


def _bytes(text: str, unit: int) -> int | None:
    value = numbers.whole(text)
    return value * unit if value is not None else numbers.size(text)
