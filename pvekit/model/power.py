"""What a machine draws, read from its own meters, and what that costs. Pure.

The lines come from ``templates/host/power.sh``; smart plugs answer in JSON of their own.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pvekit.model.nodelook import Port

HOURS = 8760
"""Hours in a year."""
CPU = "processors and memory only, not the wall"
_MAC = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){5}")


@dataclass(frozen=True, slots=True)
class Draw:
    """One reading. ``covers`` says what is in it; ``whole`` whether that is the whole machine."""

    source: str
    watts: float
    covers: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """All readings of one machine, what could not be read and why, and its cards that may wake it."""

    draws: tuple[Draw, ...] = ()
    missing: tuple[str, ...] = ()
    ports: tuple[Port, ...] = ()

    @property
    def best(self) -> tuple[Draw, ...]:
        """Return the readings to add up: one of the whole machine, else all that do not overlap."""
        whole = [draw for draw in self.draws if draw.whole]
        return (whole[0],) if whole else self.draws

    @property
    def watts(self) -> float | None:
        """Return the best known draw; None when nothing could be read."""
        return sum(draw.watts for draw in self.best) if self.best else None


@dataclass(frozen=True, slots=True)
class Year:
    """What a steady draw is in a year."""

    watts: float
    kwh: float
    cost: float


def year(watts: float, price: float) -> Year:
    """Return energy (kWh) and cost of a year at that draw and price per kWh."""
    kwh = watts * HOURS / 1000
    return Year(watts, kwh, kwh * price)


@dataclass(frozen=True, slots=True)
class _Sample:
    name: str
    time_ns: int
    energy_uj: int
    range_uj: int


@dataclass(slots=True)
class _Lines:
    zones: dict[str, list[_Sample]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    ups: dict[str, str] = field(default_factory=dict)
    gpu: str | None = None
    ports: list[Port] = field(default_factory=list)


def parse(text: str) -> Reading:
    """Read what the script printed. ValueError when a line is not of its kind, or the last one is missing."""
    rows = text.splitlines()
    if not rows or rows[-1] != "end":
        raise ValueError("the answer is cut off")
    lines = _Lines()
    for row in rows[:-1]:
        try:
            _line(row.split(" "), lines)
        except (ValueError, IndexError, binascii.Error) as error:
            raise ValueError(f"unreadable line: {row[:60]!r}") from error
    missing: list[str] = []
    draws = _rapl(lines, missing) + _ups(lines.ups, missing) + _gpus(lines.gpu, missing)
    return Reading(tuple(draws), tuple(missing), tuple(lines.ports))


def _line(words: list[str], lines: _Lines) -> None:
    kind, *rest = words
    if kind == "rapl":
        zone, name, *numbers = rest
        time_ns, energy, reach = map(int, numbers)
        lines.zones.setdefault(zone, []).append(_Sample(name, time_ns, energy, reach))
    elif kind == "denied":
        lines.denied.add(rest[0])
    elif kind == "ups":
        lines.ups[rest[0]] = _decoded(rest[1])
    elif kind == "gpu":
        lines.gpu = _decoded(rest[0])
    elif kind == "port":
        name, mac, bridge = rest
        lines.ports.append(Port(name, mac.upper(), bridge))
    else:
        raise ValueError(kind)


def _decoded(word: str) -> str:
    return base64.b64decode(word.removeprefix("="), validate=True).decode(errors="replace")


def _rapl(lines: _Lines, missing: list[str]) -> list[Draw]:
    """Return the draw of processors and memory: packages and DRAM; other zones are parts of them, or all of them."""
    draws, parts, names = [], 0.0, []
    for zone, samples in sorted(lines.zones.items()):
        watts = _watts(samples)
        if watts is None:
            missing.append(f"RAPL {zone}: only one reading, or no time between the two")
        elif samples[0].name == "psys":
            draws.append(Draw("RAPL psys", watts, "the platform as the firmware counts it, not the wall"))
        elif samples[0].name.startswith("package") or samples[0].name == "dram":
            parts += watts
            names.append(samples[0].name)
    if draws:
        return draws
    if names:
        return [Draw("RAPL", parts, f"{CPU} ({', '.join(names)})")]
    why = "its counters are for root only" if lines.denied else "this machine has no such counters"
    missing.append(f"RAPL: {why}")
    return []


def _watts(samples: Sequence[_Sample]) -> float | None:
    if len(samples) != 2 or samples[1].time_ns <= samples[0].time_ns:
        return None
    first, last = samples
    used = last.energy_uj - first.energy_uj
    if used < 0:
        # The counter starts again at 0 after its range; twice between two readings would take many minutes.
        used += first.range_uj
    return used * 1000 / (last.time_ns - first.time_ns)


def _ups(found: Mapping[str, str], missing: list[str]) -> list[Draw]:
    draws = []
    for name, text in found.items():
        values = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        real, load = _number(values.get("ups.realpower")), _number(values.get("ups.load"))
        watts, apparent = _number(values.get("ups.realpower.nominal")), _number(values.get("ups.power.nominal"))
        covers = "all that hangs on the UPS"
        if real is not None:
            draws.append(Draw(f"UPS {name}", real, covers, whole=True))
        elif load is not None and watts is not None:
            draws.append(Draw(f"UPS {name}", load * watts / 100, f"{covers}, from its load in %", whole=True))
        elif load is not None and apparent is not None:
            covers += f", from its load in % of {apparent:.0f} VA: rather less in W"
            draws.append(Draw(f"UPS {name}", load * apparent / 100, covers, whole=True))
        else:
            missing.append(f"UPS {name}: it tells neither its real power nor its load and size")
    return draws


def _gpus(text: str | None, missing: list[str]) -> list[Draw]:
    draws = []
    for line in (text or "").splitlines():
        name, _, watts = line.rpartition(",")
        number = _number(watts)
        if number is None:
            missing.append(f"GPU {name.strip() or line.strip()}: its driver tells no power")
        else:
            draws.append(Draw(f"GPU {name.strip()}", number, "this card only"))
    return draws


def _number(text: str | None) -> float | None:
    try:
        found = float((text or "").strip())
    except ValueError:
        return None
    return found if 0 <= found < float("inf") else None


def plug(text: str) -> Draw:
    """Read what a smart plug answers: Tasmota (``Status 8``/``Status 10``), Shelly of both generations.

    ValueError when there is no power in it.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("the plug's answer is no JSON") from error
    watts = _plug_watts(document, 0)
    if watts is None:
        raise ValueError("the plug's answer holds no power")
    return Draw("plug", watts, "all that hangs on the plug", whole=True)


def _plug_watts(document: Any, depth: int) -> float | None:
    """Return the first power in an answer: ENERGY.Power, apower, or power, at any of the first levels."""
    if depth > 4:
        return None
    if isinstance(document, list):
        return next((w for item in document if (w := _plug_watts(item, depth + 1)) is not None), None)
    if not isinstance(document, dict):
        return None
    for key in ("Power", "apower", "power"):
        value = document.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
    return next((w for item in document.values() if (w := _plug_watts(item, depth + 1)) is not None), None)


def parse_mac(text: str) -> str | None:
    """Return a MAC address in capitals with colons; None when the text is none."""
    found = text.upper().replace("-", ":")
    return found if _MAC.fullmatch(found) else None


def magic_packet(mac: str) -> bytes:
    """Return what wakes a card: six times FF, then sixteen times its address."""
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16
