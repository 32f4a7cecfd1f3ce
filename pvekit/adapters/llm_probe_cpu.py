"""Processor, memory and pressure, out of the answer of templates/host/llm-probe.sh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pvekit.model.bundle import Bundle

_PATH = re.compile(r"(?P<path>\S*/[^/:\s]+|[^:]+):(?P<value>.*)")
"""PCI addresses in a path have colons: only that after the last part counts."""
_SIZE = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class Processor:
    """What /proc/cpuinfo says. ``isa`` by the names of pvekit.inference.hardware.Isa, None when it knows none of it."""

    name: str
    isa: str | None
    virtual: bool
    emulated: bool
    """Whether QEMU's TCG plays it: the types ``max`` and ``host`` say so in their name."""
    cores: int
    threads: int
    sockets: int
    cache: int | None
    """Bytes of the largest cache that a core has; None where the kernel does not tell."""


def values(text: str) -> Iterator[tuple[str, str]]:
    """Yield path and value of lines that `grep -H` printed."""
    for line in text.splitlines():
        found = _PATH.match(line)
        if found is not None:
            yield found["path"], found["value"].strip()


def processor(bundle: Bundle) -> Processor | None:
    """Return the processor; None when the machine does not say."""
    fields = _fields(bundle.files.get("cpuinfo.txt", ""))
    flags = set((fields.get("flags") or fields.get("Features") or "").split())
    if not flags:
        return None
    cores = _cores(bundle.files.get("cores.txt", ""))
    sizes = [size for path, text in values(bundle.files.get("caches.txt", ""))
             if path.endswith("/size") and (size := _size(text))]  # fmt: skip
    threads = sum(line.startswith("processor") for line in bundle.files.get("cores.txt", "").splitlines())
    name = fields.get("model name") or fields.get("Model") or fields.get("Hardware") or ""
    return Processor(
        name=name,
        isa=isa(flags),
        virtual="hypervisor" in flags,
        emulated="TCG" in name.split(),
        cores=len(cores) or threads,
        threads=threads,
        sockets=len({socket for socket, _ in cores}) or 1,
        cache=max(sizes) if sizes else None,
    )


def isa(flags: set[str]) -> str | None:
    """Return the widest vector instructions that llama.cpp has kernels for; what a kernel needs comes together."""
    ladder = (
        ("amx", {"amx_int8", "avx512f", "avx512_vnni"}),
        ("avx512-vnni", {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"}),
        ("avx512", {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}),
        ("avx2", {"avx2", "fma", "f16c", "bmi2"}),
        ("avx", {"avx"}),
        ("sse42", {"sse4_2"}),
        ("neon-i8mm", {"asimd", "i8mm"}),
        ("neon-dotprod", {"asimd", "asimddp"}),
        ("neon", {"asimd"}),
    )
    return next((name for name, needs in ladder if needs <= flags), None)


def memory(text: str) -> dict[str, int]:
    """Return the fields of /proc/meminfo in bytes; counts stay as they are."""
    found = {}
    for name, value in _fields(text).items():
        number, _, unit = value.partition(" ")
        if number.isdigit():
            found[name] = int(number) * (1024 if unit == "kB" else 1)
    return found


def clock(bundle: Bundle) -> float | None:
    """Return the highest clock of all processors in GHz; None where it is not told."""
    found = [int(value) / 1e6 for _, value in values(bundle.files.get("clocks.txt", "")) if value.isdigit()]
    found = found or [float(value) / 1000 for _, value in values(bundle.files.get("mhz.txt", ""))]
    return round(max(found), 3) if found else None


def temperature(bundle: Bundle) -> float | None:
    """Return the processor's temperature in degrees; None where no sensor of it is known."""
    names = ("coretemp", "k10temp", "zenpower", "x86_pkg_temp", "cpu_thermal", "cpu-thermal")
    found = dict(values(bundle.files.get("heat.txt", "")))
    for path, name in found.items():
        if name in names:
            folder, _, last = path.rpartition("/")
            value = found.get(f"{folder}/{'temp1_input' if last == 'name' else 'temp'}", "")
            if value.lstrip("-").isdigit():
                return int(value) / 1000
    return None


@dataclass(frozen=True, slots=True)
class Pressure:
    """What happened between two looks, per second where it is a rate. None where a counter is missing."""

    steal_percent: float | None
    swap_in_rate: float | None
    major_faults: int | None
    disk_read: float | None
    """MB/s."""
    throttled: bool | None


def pressure(before: Bundle, after: Bundle, seconds: float) -> Pressure:
    """Return what changed from one look to the next, ``seconds`` later."""
    ticks = [_ticks(bundle.files.get("stat.txt", "")) for bundle in (before, after)]
    steal = None
    if all(len(row) > 7 for row in ticks):
        spent = [late - early for early, late in zip(*ticks, strict=False)][:8]
        steal = round(100 * spent[7] / sum(spent), 2) if sum(spent) > 0 else None
    counters = [_fields(bundle.files.get("vmstat.txt", ""), " ") for bundle in (before, after)]

    def more(name: str) -> int | None:
        if not all(name in row for row in counters) or seconds <= 0:
            return None
        return int(counters[1][name]) - int(counters[0][name])

    swapped, faults, read = more("pswpin"), more("pgmajfault"), more("pgpgin")
    cuts = [[int(value) for _, value in values(bundle.files.get("throttle.txt", "")) if value.isdigit()]
            for bundle in (before, after)]  # fmt: skip
    return Pressure(
        steal_percent=steal,
        swap_in_rate=None if swapped is None else swapped / seconds,
        major_faults=faults,
        disk_read=None if read is None else read * 1024 / 1e6 / seconds,
        throttled=sum(cuts[1]) > sum(cuts[0]) if all(cuts) else None,
    )


def _ticks(text: str) -> list[int]:
    return [int(part) for part in text.split()[1:] if part.isdigit()]


def _fields(text: str, sign: str = ":") -> Mapping[str, str]:
    rows = (line.partition(sign) for line in text.splitlines())
    return {name.strip(): value.strip() for name, found, value in rows if found}


def _cores(text: str) -> set[tuple[str, str]]:
    found, socket = set(), ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "physical id":
            socket = value.strip()
        elif name.strip() == "core id":
            found.add((socket, value.strip()))
    return found


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG])", text)
    return int(found[1]) * _SIZE[found[2]] if found else 0
