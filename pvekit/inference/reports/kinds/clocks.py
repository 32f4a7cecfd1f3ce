"""Clocks, governors and temperatures: cpupower, sysfs, sensors, turbostat, the kernel's log."""

from __future__ import annotations

import re

from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text

_GOVERNORS = "performance|powersave|ondemand|schedutil|conservative|userspace"
_BARE = re.compile(rf"^\s*(?:\S*/scaling_governor[: =]\s*)?({_GOVERNORS})\s*$")
_CPUPOWER = re.compile(rf"The governor \"({_GOVERNORS})\" may decide")
_CURRENT = re.compile(
    r"current CPU frequency(?::| is) (\d{1,9}(?:\.\d{1,9})?) (GHz|MHz)(?: \(asserted by call to (?:kernel"
    r"|hardware)\))?"
)
_SENSORS = re.compile(
    r"^(Package id \d|Tctl|Tdie|Core \d+|CPU Temperature"
    r"|CPU):\s+\+?(\d{2,3}\.\d).{0,3}C(?:.{0,40}crit = \+(\d{2,3}\.\d))?"
)
_THROTTLED = re.compile(
    r"temperature/speed normal|(?:Package|Core) temperature (?:is )?above threshold, cpu clock (?:"
    r"is )?throttled|cpu clock throttled"
)
_LIMITS = re.compile(r"hardware limits: \S+ [MG]Hz - (\d{1,9}(?:\.\d{1,9})?) (GHz|MHz)")
_PI = re.compile(r"\bthrottled=0x([0-9a-fA-F]{1,8})\b")
_HELD = 0x2 | 0x4 | 0x8
"""Bits of a Raspberry Pi's firmware: the clock is capped, throttled, or at its soft limit of temperature now."""


def read(text: Text, found: Found) -> None:
    """Read each line; turbostat's summary is the first row below its header."""
    header: list[str] = []
    hottest: tuple[float, Line] | None = None
    for line in text.lines:
        _limits(line, found)
        if match := (_BARE.match(line.text) or _CPUPOWER.search(line.text)):
            found.take(line)
            found.say("host.governor", match.group(1), line)
        elif match := _CURRENT.search(line.text):
            found.take(line)
            found.say("clock.now", float(match.group(1)) / (1 if match.group(2) == "GHz" else 1000), line)
        elif match := _SENSORS.match(line.text):
            found.take(line)
            value = float(match.group(2))
            hottest = (value, line) if hottest is None or value > hottest[0] else hottest
        elif _THROTTLED.search(line.text) and "normal" not in line.text:
            found.take(line)
            found.say("host.throttled", True, line)
            found.error(line)
        elif "Bzy_MHz" in line.text and "Busy%" in line.text:
            header = line.text.split()
            found.take(line)
        elif header:
            _turbostat(header, line, found)
            header = []
    if hottest is not None:
        found.say("host.temperature", hottest[0], hottest[1])


def _limits(line: Line, found: Found) -> None:
    if match := _LIMITS.search(line.text):
        found.take(line)
        found.say("host.clock_limit_ghz", float(match.group(1)) / (1 if match.group(2) == "GHz" else 1000), line)
    if match := _PI.search(line.text):
        found.say("host.throttled", bool(int(match.group(1), 16) & _HELD), line)


def _turbostat(header: list[str], line: Line, found: Found) -> None:
    cells = line.text.split()
    if len(cells) > len(header):
        return
    # The summary has dashes or nothing for package, core and CPU: read from the right.
    row = dict(zip(reversed(header), reversed(cells), strict=False))
    busy, clock = numbers.maybe(row.get("Busy%", "")), numbers.maybe(row.get("Bzy_MHz", ""))
    found.take(line)
    if busy is not None and clock and busy >= 30:
        found.say("host.clock_ghz", clock / 1000, line)
    if (heat := numbers.maybe(row.get("PkgTmp", ""))) is not None and heat > 0:
        found.say("host.temperature", heat, line)
