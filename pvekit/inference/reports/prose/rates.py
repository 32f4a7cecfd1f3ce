"""Numbers of tokens per second in a text, and whether they are of the prompt or of the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pvekit.inference.reports import numbers
from pvekit.inference.reports.prose import uncommon

_N = r"(\d{1,6}(?:[.,]\d{1,4})?)"
_WORDS = r"(?:half a|one|two|three|four|five|ten)"
_UNIT = r"(?:tokens?|toks?|tk|t) ?(?:/|per|a|every|p(?=s)) ?(?:s|secs?|seconds?)\b|tps\b|tok/sec\b|toks?/s\b"
_RATE = re.compile(
    rf"(?P<bound><|≤|less than|under|below|not even|slower than|at most)? ?(?:~|≈|about |around "
    rf"|approx\w*\.? |roughly |ca\.? )?"
    rf"(?:(?P<from>from )?(?P<a>\d{{1,6}}(?:[.,]\d{{1,4}})?)(?: ?(?:{_UNIT})?)?(?: ?(?P<to>-|–|to"
    rf"|or|\.\.) ?(?P<b>\d{{1,6}}(?:[.,]\d{{1,4}})?))?|(?P<word>{_WORDS})) ?\+? ?(?P<unit>{_UNIT})",
    re.IGNORECASE,
)
_INVERSE = re.compile(
    rf"(?P<bound>more than|over|>)? ?(?P<n>{_N[1:-1]}) ?(?P<unit>ms|milliseconds?|s|secs?|seconds?"
    rf"|min|minutes?) ?(?:/|per|for (?:each|every|a|one|1)|a|each) ?(?:(?:inference|generated|output|eval"
    rf"|response) )?(?:token|tok|(?-i:T))\b"
    rf"|\btoken time:? (?P<n3>{_N[1:-1]}) ?(?P<unit3>ms|s)\b"
    rf"|(?:a|one|1|each|every) token(?: (?:every|per|takes|in|each) |/)(?:~|about "
    rf"|around )?(?P<n2>{_N[1:-1]})? ?(?P<unit2>ms|s|secs?|seconds?|minutes?)\b",
    re.IGNORECASE,
)
_MINUTE = re.compile(rf"{_N} ?(?:tokens?|toks?) ?(?:/|per|a) ?min(?:ute)?\b", re.IGNORECASE)
_PREFILL = re.compile(
    r"\b(?:prompts?(?: (?:processing|eval\w*|ingest\w*|speed|rate))?|prefill\w*|pre-fill"
    r"|prompt_\w+|pp\d{0,5}|ingest\w*|input|(?:context|prompt) processing)\b",
    re.IGNORECASE,
)
_DECODE = re.compile(
    r"\b(?:generat\w+|tg\d{0,5}|decod\w*|outputs?|response|inference|eval(?:uation)?(?: rate)?"
    r"|gen|token generation|writing|answer\w*)\b",
    re.IGNORECASE,
)
_BEHIND = re.compile(r"^ ?(?:\(|for |in |on |of |during |at |while )?(?:the )?", re.IGNORECASE)
_VALUES = {"half a": 0.5, "one": 1.0, "two": 2.0, "three": 3.0, "four": 4.0, "five": 5.0, "ten": 10.0}


@dataclass(frozen=True, slots=True)
class Speed:
    """One speed. ``bound`` marks one that is only said to be less."""

    start: int
    end: int
    rate: float
    samples: tuple[float, ...] = ()
    bound: bool = False
    better: float | None = None
    """What a ``from .. to ..`` compares with."""


def speeds(text: str) -> Iterator[Speed]:
    """Return every speed of a text; those said as seconds per token, too."""
    rates = list(_RATE.finditer(text))
    for match in rates:
        unit = match.group("unit").lower()
        if unit.startswith("t ") and "/" not in unit:
            continue
        a = _VALUES[match.group("word").lower()] if match.group("word") else numbers.number(match.group("a"))
        b = numbers.number(match.group("b")) if match.group("b") else None
        bound = match.group("bound") is not None
        if b is None or match.group("to").lower() == "or":
            yield Speed(match.start(), match.end(), a if b is None else (a + b) / 2, bound=bound)
        elif match.group("from") and match.group("to").lower() == "to":
            yield Speed(match.start(), match.end(), min(a, b), bound=bound, better=max(a, b))
        elif b > a > 0 and b / a < 4:
            yield Speed(match.start(), match.end(), (a + b) / 2, samples=(a, b), bound=bound)
        else:
            yield Speed(match.start("b"), match.end(), b, bound=bound)
    for match in _INVERSE.finditer(text):
        if any(rate.start() < match.end() and match.start() < rate.end() for rate in rates):
            continue
        value = match.group("n") or match.group("n3") or match.group("n2") or "1"
        unit = (match.group("unit") or match.group("unit3") or match.group("unit2")).lower()
        seconds = numbers.number(value) * (
            0.001 if unit.startswith(("ms", "milli")) else 60 if unit.startswith("min") else 1
        )
        if seconds > 0:
            yield Speed(match.start(), match.end(), 1 / seconds, bound=match.group("bound") is not None)
    for match in _MINUTE.finditer(text):
        yield Speed(match.start(), match.end(), numbers.number(match.group(1)) / 60)
    yield from _others(text, rates)


def _others(text: str, rates: list[re.Match[str]]) -> Iterator[Speed]:
    """Return speeds of rarer forms: tokens in a time, and the unit before the number."""
    for start, end, rate, bound in uncommon.taken(text):
        yield Speed(start, end, rate, bound=bound)
    for start, end, rate, better in uncommon.ahead(text):
        # Where its number stands before the unit, the next one is another's.
        if not any(one.start() < end and start < one.end() for one in rates):
            yield Speed(start, end, rate, better=better)


def phase_of(before: str, after: str) -> str:
    """Return ``decode`` or ``prefill`` by the words right behind a number, or else by the last before it."""
    behind = after[_BEHIND.match(after).end() :] if _BEHIND.match(after) else after  # type: ignore[union-attr]
    for phase, pattern in (("prefill", _PREFILL), ("decode", _DECODE)):
        if pattern.match(behind):
            return phase
    last = [
        (match.end(), phase)
        for phase, pattern in (("prefill", _PREFILL), ("decode", _DECODE))
        for match in pattern.finditer(before)
    ]
    return max(last)[1] if last else "decode"
