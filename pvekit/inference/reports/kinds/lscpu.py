"""lscpu and /proc/cpuinfo."""

from __future__ import annotations

import re

from pvekit.inference.reports import isa, numbers
from pvekit.inference.reports.found import PRINTED, Found, Part
from pvekit.inference.reports.lines import Line, Text

_LSCPU = re.compile(
    r"^\s{0,12}(Architecture|CPU\(s\)|Thread\(s\) per core|Core\(s\) per (?:socket|cluster)"
    r"|Socket\(s\)|NUMA node\(s\)|Model name"
    r"|Flags|Hypervisor vendor|Virtualization type|Virtualization|CPU max MHz|CPU MHz"
    r"|BIOS Model name|Vendor ID|L3(?: cache)?):\s+(.{1,1950})$"
)
_CPUINFO = re.compile(
    r"^(processor|model name|flags|cpu MHz|cpu cores|siblings|physical id|Features)[ \t]{0,14}: ?(.{0,1950})$"
)
_OTHER = re.compile(
    r"^\s{0,12}(?:CPU op-mode|Address sizes|Byte Order|On-line CPU|CPU family|Model|Stepping"
    r"|BogoMIPS|CPU\(s\) scaling|CPU min MHz"
    r"|L\d\w?(?: cache)?|NUMA node\d+ CPU|Vulnerab|Caches|NUMA|BIOS Vendor|vendor_id|cpuid level"
    r"|bogomips|clflush|cache_align|address sizes|power man|wp|bugs|fpu|apicid|initial apicid"
    r"|core id|microcode|stepping|cache size|cpu family|model)\b.{0,40}:"
)


def read(text: Text, found: Found) -> None:
    """Read lscpu first; /proc/cpuinfo where there is no lscpu."""
    fields: dict[str, Line] = {}
    values: dict[str, str] = {}
    processors: list[Line] = []
    packages: set[str] = set()
    for line in text.lines:
        name, value = _field(line)
        if name == "/processor":
            processors.append(line)
        elif name == "/physical id":
            packages.add(value)
        elif name and name not in values:
            fields[name], values[name] = line, value
        if name or ((fields or processors) and _OTHER.match(line.text)):
            found.take(line)
    if "Model name" in values or "CPU(s)" in values:
        _lscpu(text, values, fields, found)
    if "/model name" in values or "/flags" in values or "/Features" in values:
        _cpuinfo(text, values, fields, processors, packages, found)


def _field(line: Line) -> tuple[str, str]:
    """Return name and value of a line; those of /proc/cpuinfo begin with a slash."""
    if match := _LSCPU.match(line.text):
        return match.group(1), match.group(2).strip()
    match = _CPUINFO.match(line.text)
    if match is None or (match.group(1) == "processor" and not match.group(2).strip().isdigit()):
        return "", ""
    return f"/{match.group(1)}", match.group(2).strip()


def _lscpu(text: Text, values: dict[str, str], fields: dict[str, Line], found: Found) -> None:
    virtual: bool | None = True if "Hypervisor vendor" in values else None
    if virtual is None and {"Flags", "Socket(s)"} <= values.keys() and "hypervisor" not in values["Flags"].split():
        virtual = False
    side = _side(text, virtual)
    cpus = numbers.whole(values.get("CPU(s)", ""))
    per_core, cores, sockets = (
        numbers.whole(values.get(key, "")) for key in ("Thread(s) per core", "Core(s) per socket", "Socket(s)")
    )
    if "Model name" in values:
        found.cpus.append(
            Part(
                values["Model name"],
                fields["Model name"].seen(),
                PRINTED,
                None if side == "guest" and virtual else sockets,
            )
        )
    found.say(
        f"{side}.isa", isa.of_flags(values.get("Flags", "").split()), fields.get("Flags", fields[next(iter(fields))])
    )
    if virtual is not None and side != "host":
        at = fields.get("Hypervisor vendor") or fields["Flags"]
        found.say(f"{side}.virtual", virtual, at)
    if "TCG" in values.get("Model name", "").split():
        found.say("guest.emulated", True, fields["Model name"])
    if cpus and "CPU(s)" in fields:
        found.say(f"{side}.cpus", cpus, fields["CPU(s)"])
    if not virtual and cores and sockets:
        found.say("cpu.cores", cores * sockets, fields["Core(s) per socket"])
        found.say("cpu.sockets", sockets, fields["Socket(s)"])
        found.say("cpu.threads", cores * sockets * (per_core or 1), fields["Core(s) per socket"])
    if not virtual and (nodes := numbers.whole(values.get("NUMA node(s)", ""))):
        found.say("host.numa_nodes", nodes, fields["NUMA node(s)"])


def _side(text: Text, virtual: bool | None) -> str:
    """Return whose facts these are: ``machine`` is the host of a VM where there is one, else the guest."""
    if virtual:
        return "guest"
    return text.side if text.side == "host" else "machine"


def _cpuinfo(
    text: Text, values: dict[str, str], fields: dict[str, Line], processors: list[Line], packages: set[str],
    found: Found,
) -> None:  # fmt: skip
    flags = (values.get("/flags") or values.get("/Features") or "").split()
    virtual = "hypervisor" in flags if "/flags" in values and len(flags) > 30 else None
    side = _side(text, virtual)
    at = fields.get("/flags") or fields.get("/Features") or fields.get("/model name")
    assert at is not None  # noqa: S101 the caller looked
    if flags and len(flags) > 8:
        found.say(f"{side}.isa", isa.of_flags(flags), at)
        if virtual is not None and side != "host":
            found.say(f"{side}.virtual", virtual, at)
    if len(processors) > 1:
        found.say(f"{side}.cpus", len(processors), processors[-1])
    if "TCG" in values.get("/model name", "").split():
        found.say("guest.emulated", True, fields["/model name"])
    if "/model name" in values:
        found.cpus.append(
            Part(
                values["/model name"],
                fields["/model name"].seen(),
                PRINTED,
                len(packages) or None if not virtual else None,
            )
        )
    if not virtual and len(processors) > 1 and packages and (cores := numbers.whole(values.get("/cpu cores", ""))):
        found.say("cpu.cores", cores * len(packages), fields["/cpu cores"])
