"""What else the machine does: vmstat, iostat, top, uptime, KSM, ``info balloon``, perf and time."""

from __future__ import annotations

import re

from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text

_LOAD = re.compile(r"load averages?: ?(\d{1,5}[.,]\d{1,2}),? ")
_TOP_CPU = re.compile(r"%Cpu\(s\):.{0,80}?(\d{1,9}(?:\.\d{1,9})?)[ %]wa.{0,60}?(\d{1,9}(?:\.\d{1,9})?)[ %]st")
_KSM = re.compile(r"pages_sharing\s*[:=]?\s*(\d{1,14})\b")
_BALLOON = re.compile(r"balloon: actual=(\d{2,8})(?: max_mem=(\d{2,8}))?")
_FAULTS = re.compile(
    r"Major \(requiring I/O\) page faults: (\d{1,12})|(\d[\d,]{0,15})\s+major-faults|\bpgmajfault (\d{1,15})"
)
_DISK = re.compile(r"^(?:nvme\d+n\d+|sd[a-z]|vd[a-z]|dm-\d+|md\d+)\s")
_READ = ("rMB/s", "rkB/s", "MB_read/s", "kB_read/s")


def read(text: Text, found: Found) -> None:
    """Read each line, and the tables of vmstat and iostat with their columns."""
    header: list[str] = []
    swaps: list[tuple[float, Line]] = []
    steals: list[tuple[float, Line]] = []
    disk: list[tuple[float, Line]] = []
    for line in text.lines:
        _single(text, line, found)
        cells = line.text.split()
        if {"si", "so", "us", "sy"} <= set(cells) or (
            any(one in cells for one in _READ) and cells[0].startswith("Device")
        ):
            header = cells
            found.take(line)
        elif cells[:1] == ["avg-cpu:"]:
            header = cells[1:]
            found.take(line)
        elif header and len(cells) == len(header) and re.match(r"^[\w-]+$|^[\d.]+$", cells[0]):
            row = dict(zip(header, cells, strict=True))
            _row(row, line, swaps, steals, disk, found)
            header = [] if "%steal" in header else header
        elif not cells:
            header = []
    # The first row of vmstat and iostat is the mean since the start of the machine.
    for name, values in (("guest.swap_in_rate", swaps), ("guest.steal_percent", steals), ("guest.disk_read", disk)):
        kept = values[1:] or values
        if kept:
            found.say(name, sum(value for value, _ in kept) / len(kept), kept[0][1])


def _row(
    row: dict[str, str], line: Line, swaps: list[tuple[float, Line]], steals: list[tuple[float, Line]],
    disk: list[tuple[float, Line]], found: Found,
) -> None:  # fmt: skip
    numbers_ = {key: numbers.maybe(value) for key, value in row.items()}
    if (value := numbers_.get("si")) is not None and numbers_.get("so") is not None:
        found.take(line)
        swaps.append((value, line))
    for key in ("st", "%steal"):
        if (value := numbers_.get(key)) is not None:
            found.take(line)
            steals.append((value, line))
    for key in _READ:
        if (value := numbers_.get(key)) is not None and _DISK.match(line.text):
            found.take(line)
            disk.append((value / (1000 if key.startswith("k") or key == "rkB/s" else 1), line))


def _single(text: Text, line: Line, found: Found) -> None:
    if match := _LOAD.search(line.text):
        found.say("load.guest" if text.side != "host" else "load.host", numbers.number(match.group(1)), line)
        found.take(line)
    if match := _TOP_CPU.search(line.text):
        found.take(line)
        found.say("guest.steal_percent", float(match.group(2)), line)
    if match := _KSM.search(line.text):
        found.take(line)
        found.say("host.ksm_sharing", int(match.group(1)), line)
    if match := _BALLOON.search(line.text):
        found.take(line)
        if match.group(2):
            found.say("host.balloon", max(0, int(match.group(2)) - int(match.group(1))) * 1024**2, line)
        else:
            found.say("vm.balloon_actual", int(match.group(1)) * 1024**2, line)
    if match := _FAULTS.search(line.text):
        found.take(line)
        value = next(one for one in match.groups() if one)
        if match.group(3) is None:
            found.say("guest.major_faults", int(value.replace(",", "")), line)
