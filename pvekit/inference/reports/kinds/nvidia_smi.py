"""nvidia-smi: the table, ``-q``, and ``--query-gpu`` as csv."""

from __future__ import annotations

import csv
import re

from pvekit.inference.reports import numbers
from pvekit.inference.reports.found import PRINTED, Found, Part
from pvekit.inference.reports.lines import Line, Text

_VERSIONS = re.compile(r"Driver Version\s{0,40}: ?([\d.]{3,12})(?:.{0,40}CUDA Version: ?([\d.]{2,6}))?")
_NAME = re.compile(r"^\|\s+\d{1,2}\s{1,4}(\S.{2,34}?)\s+(?:On|Off|N/A|WDDM|TCC|Default)?\s*\|\s*[0-9A-F]{8}:")
_STATE = re.compile(
    r"^\|.{0,14}?(\d{1,3})[CF]\s+(P\d{1,2})\b.{0,60}?(\d{1,6})MiB\s{0,4}/\s{0,8}(\d{1,6})MiB\s{0,2}\|\s+(\d{1,3})%"
)
_Q = re.compile(
    r"^\s+(Product Name|Current|Max|Device Current|Gpu|GPU Current Temp|SW Thermal Slowdown"
    r"|HW Thermal Slowdown|HW Power Brake Slowdown|Total)\s*:\s*(.{1,80}?)\s*$"
)
_SECTION = re.compile(r"^\s+(PCIe Generation|Link Width|Utilization|FB Memory Usage|Temperature|Clocks)\s*$")
_OURS = re.compile(r"^\s{4,}[A-Z][\w /()-]{2,50}\s*:\s")
_L = re.compile(r"^GPU \d{1,2}: (.{3,60}?) \(UUID:")


def read(text: Text, found: Found) -> None:
    """Read each form where it stands. A card in P8 with nothing to do says nothing of a run."""
    section = ""
    quiet = False
    header: list[str] = []
    for line in text.lines:
        if match := _VERSIONS.search(line.text):
            found.take(line)
            found.say("guest.driver", match.group(1), line)
            found.say("guest.gpu_backend_driver", True, line)
        if (match := _NAME.match(line.text)) or (match := _L.match(line.text)):
            found.take(line)
            found.gpus.append(Part(match.group(1), line.seen(), PRINTED))
        elif match := _STATE.match(line.text):
            found.take(line)
            _state(match, line, found)
        elif line.text.startswith("|") and ("%" in line.text or "MiB" in line.text):
            found.take(line)
        elif line.text.startswith("==============NVSMI"):
            quiet = True
        elif match := _SECTION.match(line.text):
            section = match.group(1)
        elif match := _Q.match(line.text):
            _queried(section, match.group(1), match.group(2), line, found)
            found.take(line)
        elif quiet and _OURS.match(line.text):
            found.take(line)
        header = _csv(line, header, found)


def _state(match: re.Match[str], line: Line, found: Found) -> None:
    state, busy = match.group(2), int(match.group(5))
    active = busy > 0 or state in {"P0", "P1", "P2", "P3"}
    if active:
        found.say("guest.gpu_busy_percent", float(busy), line)
    found.say("gpu.memory", int(match.group(4)) * 1024**2, line)
    found.say("gpu.used", int(match.group(3)) * 1024**2, line)
    found.say("gpu.active", busy >= 30, line)


def _queried(section: str, key: str, value: str, line: Line, found: Found) -> None:
    number = re.match(r"(\d{1,9})(?:x)?\b", value)
    if key == "Product Name":
        found.gpus.append(Part(value, line.seen(), PRINTED))
    elif section == "PCIe Generation" and number:
        _link("generation", key, int(number.group(1)), line, found)
    elif section == "Link Width" and number:
        _link("width", key, int(number.group(1)), line, found)
    elif section == "Utilization" and key == "Gpu" and number and int(number.group(1)) > 0:
        found.say("guest.gpu_busy_percent", float(number.group(1)), line)
        found.say("gpu.active", int(number.group(1)) >= 30, line)
    elif key.endswith("Slowdown") and value == "Active":
        found.say("gpu.throttled", True, line)


def _link(what: str, key: str, value: int, line: Line, found: Found) -> None:
    if key in {"Current", "Device Current"}:
        found.say(f"host.link_{what}", value, line)
    elif key == "Max":
        found.say(f"host.link_{what}_max", value, line)


_COLUMNS = {
    "pcie.link.gen.current": "host.link_generation", "pcie.link.gen.max": "host.link_generation_max",
    "pcie.link.gen.gpucurrent": "host.link_generation", "pcie.link.gen.gpumax": "host.link_generation_max",
    "pcie.link.width.current": "host.link_width", "pcie.link.width.max": "host.link_width_max",
}  # fmt: skip


def _csv(line: Line, header: list[str], found: Found) -> list[str]:
    if line.text.count(",") < 1 or len(line.text) > 600:
        return []
    cells = [cell.strip() for cell in next(csv.reader([line.text], skipinitialspace=True), [])]
    names = [cell.partition(" [")[0] for cell in cells]
    if (
        sum(
            name in _COLUMNS
            or name in {"name", "driver_version", "utilization.gpu", "memory.used", "index", "memory.total", "pstate"}
            for name in names
        )
        >= 2
    ):
        found.take(line)
        return names
    if not header or len(cells) != len(header):
        return []
    found.take(line)
    row = dict(zip(header, cells, strict=True))
    busy = numbers.maybe(row.get("utilization.gpu", "").partition(" ")[0])
    for name, dotted in _COLUMNS.items():
        if name in row:
            found.say(dotted, numbers.whole(row[name]), line)
    if "name" in row:
        found.gpus.append(Part(row["name"], line.seen(), PRINTED))
    if busy:
        found.say("guest.gpu_busy_percent", busy, line)
        found.say("gpu.active", busy >= 30, line)
    if row.get("driver_version"):
        found.say("guest.driver", row["driver_version"], line)
    return header
