"""Sizes and durations, as people write them and as PVE writes them.

People write ``20GiB`` (or PVE's short ``20G``, which means the same) and ``30s``; a unit is always needed, and
``GB`` is refused because half of the world means 1000 and the other half 1024. PVE writes ``20G``, ``20480M``,
``528K``, always powers of 1024.
"""

from __future__ import annotations

import re
from fractions import Fraction

KIB = 1024
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4

_UNITS = {"K": KIB, "M": MIB, "G": GIB, "T": TIB}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)")
_DISK_SIZE = re.compile(r"([0-9]+(?:\.[0-9]{1,3})?) ?([MGT])B")
_PVE_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)([KMGT]?)")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([a-z]*)")
_SECONDS = {"ms": Fraction(1, 1000), "s": Fraction(1), "m": Fraction(60), "h": Fraction(3600), "d": Fraction(86400)}


class UnitError(ValueError):
    """A size or duration cannot be read. ``hint`` says what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def parse_size(text: str) -> int:
    """Return bytes for ``20GiB``, ``512 MiB``, ``1.5TiB`` or PVE's ``20G``. UnitError otherwise."""
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise UnitError(f"{text!r} is not a size", "Write a number and a unit, for example 20GiB or 512MiB.")
    number, unit = match.groups()
    if not unit:
        unit = "MiB" if float(number) >= 256 else "GiB"
        raise UnitError(f"the size {number} has no unit", f"Write {number}{unit}, if that is what you mean.")
    short = unit[:-2] if unit.endswith("iB") else unit
    if short not in _UNITS:
        raise UnitError(f"{text!r} has an unknown unit {unit!r}", _unit_hint(number, unit))
    size = Fraction(number) * _UNITS[short]
    if size.denominator != 1:
        raise UnitError(f"{text!r} is not a whole number of bytes", "Use a smaller unit, for example MiB.")
    return int(size)


def parse_disk_size(text: str) -> int:
    """Return bytes for a disk's size: as its maker writes it (``4TB``, powers of 1000), or as ``parse_size``.

    On the label of a disk the meaning of TB is not open to doubt. UnitError otherwise.
    """
    match = _DISK_SIZE.fullmatch(text.strip())
    if not match:
        return parse_size(text)
    number, letter = match.groups()
    return int(Fraction(number) * 1000 ** (1 + "KMGT".index(letter)))


def _unit_hint(number: str, unit: str) -> str:
    letter = unit[0].upper()
    if letter in _UNITS:
        return f"Write {number}{letter}iB (1024-based, as PVE counts)."
    return "Known units are KiB, MiB, GiB and TiB."


def format_size(size_bytes: int) -> str:
    """Return the size as people write it: the largest unit that keeps it whole, ``20GiB``. Bytes need 1 KiB steps."""
    for letter in "TGMK":
        if size_bytes and size_bytes % _UNITS[letter] == 0:
            return f"{size_bytes // _UNITS[letter]}{letter}iB"
    kib = Fraction(size_bytes, KIB)
    return f"{float(kib):.10f}".rstrip("0").rstrip(".") + "KiB"


def parse_pve_size(text: str) -> int:
    """Return bytes for PVE's ``20G``, ``528K`` or plain bytes ``540672``. UnitError otherwise."""
    match = _PVE_SIZE.fullmatch(text)
    if not match:
        raise UnitError(f"{text!r} is not a size in PVE's form", "PVE writes 20G, 512M, 528K or plain bytes.")
    number, unit = match.groups()
    return int(Fraction(number) * _UNITS.get(unit, 1))


def format_pve_size(size_bytes: int) -> str:
    """Return the size as PVE writes it: the largest unit that keeps it whole (``20G``), plain bytes otherwise."""
    for letter in "TGMK":
        if size_bytes and size_bytes % _UNITS[letter] == 0:
            return f"{size_bytes // _UNITS[letter]}{letter}"
    return str(size_bytes)


def parse_duration(text: str) -> float:
    """Return seconds for ``500ms``, ``30s``, ``5m``, ``2h`` or ``1d``. UnitError otherwise."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise UnitError(f"{text!r} is not a duration", "Write a number and a unit, for example 30s or 5m.")
    number, unit = match.groups()
    if not unit:
        raise UnitError(f"the duration {text.strip()} has no unit", f"Write {number}s or {number}m.")
    if unit not in _SECONDS:
        raise UnitError(f"{text!r} has an unknown unit {unit!r}", "Known units are ms, s, m, h and d.")
    return float(Fraction(number) * _SECONDS[unit])


def format_duration(seconds: float) -> str:
    """Return the duration as people write it: ``90s``, ``5m``, ``2h``, ``500ms``."""
    exact = Fraction(seconds).limit_denominator(1000)
    for unit in ("d", "h", "m", "s"):
        if exact and exact % _SECONDS[unit] == 0:
            return f"{exact // _SECONDS[unit]}{unit}"
    return f"{exact * 1000}ms" if exact else "0s"
