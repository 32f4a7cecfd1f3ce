"""Speeds that stand beside versions of a program: when a later version is slower than an earlier one, it is a sign.

A version has three numbers, or is a build of llama.cpp (b4365), or stands behind a program's name; models have
versions as well (llama 3.1), and those are none here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pvekit.inference.reports.found import Found
from pvekit.inference.reports.lines import Line, Text
from pvekit.inference.reports.prose.clauses import split
from pvekit.inference.reports.prose.rates import phase_of, speeds

_VERSION = re.compile(
    r"(?<![\w./-])v?(\d{1,2}\.\d{1,3}\.\d{1,3})(?![\w.]*\.\d|/)\b|(?<![A-Za-z0-9])b(\d{4,5})\b(?!-?\d)"
    r"|\b(?:ollama|kobold\.?cpp|lm[- ]?studio|version|runtime|release|gpt4all)[ :=|]{1,3}"
    r"v?(\d{1,2}\.\d{1,3})\b(?![.\d])",
    re.IGNORECASE,
)
_BUILD = re.compile(r"^\W*build: [0-9a-f]{6,12} \((\d{3,5})\)")
_ROW = re.compile(r"\|\s*tg ?\d+(?: @ d\d+)?\s*\|\s*(\d{1,6}\.\d{1,3}) ±")
_TIMED = re.compile(r"(?<!prompt )\beval time\s*=.{0,80}?(\d{1,6}[.,]\d{1,3}) tokens per second")
_BARE = re.compile(r"[|:-]\s*(\d{1,5}[.,]\d{1,3})\s*\|?\s*$")
"""The last cell of a row."""
_FOREIGN = re.compile(r"\b(?:driver|cuda|rocm|kernel|python|torch|toolkit|mesa|linux|ubuntu|macos)\b", re.IGNORECASE)
_HEADING = 60
_SLOWER = 1.15
_MOST = 2000
"""Lines of a file that are looked at; a long log is one version's."""


@dataclass(slots=True)
class _Speeds:
    line: Line
    rates: list[float] = field(default_factory=list)


def read(text: Text, found: Found) -> None:
    """Keep the sign where the latest of the versions with speeds is slower than an earlier one."""
    if len({one for line in text.lines[:_MOST] for one in (*_named(line.text), *_built(line.text))}) < 2:
        return
    known: dict[tuple[int, ...], _Speeds] = {}
    heading: tuple[int, ...] | None = None
    rows: list[float] = []
    for line in text.lines[:_MOST]:
        if match := _BUILD.match(line.text):
            known.setdefault((int(match.group(1)),), _Speeds(line)).rates.extend(rows)
            rows = []
            continue
        if match := _ROW.search(line.text):
            rows.append(float(match.group(1)))
            continue
        versions = _named(line.text)
        if match := _TIMED.search(line.text):
            if heading is not None:
                known.setdefault(heading, _Speeds(line)).rates.append(float(match.group(1).replace(",", ".")))
            continue
        for version, rate in _beside(line):
            known.setdefault(version, _Speeds(line)).rates.append(rate)
        if len(versions) == 1 and len(line.text.strip()) <= _HEADING:
            heading = next(iter(versions))
    _compare(known, found)


def _built(text: str) -> set[tuple[int, ...]]:
    match = _BUILD.match(text)
    return {(int(match.group(1)),)} if match else set()


def _named(text: str) -> set[tuple[int, ...]]:
    """Return the versions in a text, as numbers that can be compared."""
    found = set()
    for match in _VERSION.finditer(text):
        if _FOREIGN.search(text[max(0, match.start() - 16) : match.end()]) is None:
            found.add(tuple(int(one) for one in next(one for one in match.groups() if one).split(".")))
    return found


def _beside(line: Line) -> list[tuple[tuple[int, ...], float]]:
    """Return each version with the speeds of its clause, where the clause names one only."""
    found = []
    for clauses in split(line):
        for clause in clauses:
            versions = _named(clause.text)
            if len(versions) != 1:
                continue
            version = next(iter(versions))
            rates = [
                one.rate
                for one in speeds(clause.text)
                if phase_of(clause.text[: one.start], clause.text[one.end :]) == "decode"
            ]
            if not rates and "|" in clause.text and (match := _BARE.search(clause.text)):
                rates = [float(match.group(1).replace(",", "."))]
            found += [(version, rate) for rate in rates]
    return found


def _compare(known: dict[tuple[int, ...], _Speeds], found: Found) -> None:
    for dotted in (True, False):
        versions = {version: one for version, one in known.items() if (len(version) > 1) is dotted and one.rates}
        if len(versions) < 2:
            continue
        last = max(versions)
        for version, earlier in versions.items():
            if version != last and _slower(earlier.rates, versions[last].rates):
                found.say("sign.slower_since_version", True, versions[last].line)
                found.say("sign.versions_measured", True, versions[last].line)
                return


def _slower(earlier: list[float], later: list[float]) -> bool:
    """Return whether the later speeds are lower: each of a pair, or all of them where there are no pairs."""
    if len(earlier) == len(later):
        ratios = [one / other for one, other in zip(earlier, later, strict=True) if other > 0]
        return bool(ratios) and min(ratios) >= 0.97 and max(ratios) >= _SLOWER
    return min(earlier) >= _SLOWER * max(later)
