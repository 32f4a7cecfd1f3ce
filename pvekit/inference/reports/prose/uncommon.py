"""Speeds in rarer forms: so many tokens in a time, and a unit before its number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pvekit.inference.reports import numbers

_N = r"\d{1,6}(?:[.,]\d{1,4})?"
_TOKENS = r"(?:\w+ )?(?:tokens|toks)\b"
_TAKEN = re.compile(
    rf"(?P<n>\d{{1,5}}) {_TOKENS}(?: \w+){{0,2}} (?:in|within) (?:about |around |~)?"
    rf"(?P<t>{_N}) ?(?P<u>s|secs?|seconds?|min|minutes?)\b"
    rf"|(?P<bound>more than |over )?(?P<t2>{_N}) ?(?P<u2>s|secs?|seconds?|mins?|minutes?) (?:to|for) "
    rf"(?:just |only )?(?:generat\w+|writ\w+|produc\w+|output\w*) (?:\w+ ){{0,2}}?(?P<n2>\d{{1,5}}) {_TOKENS}",
    re.IGNORECASE,
)
_AHEAD = re.compile(
    rf"\b(?:(?:tokens?|toks?|t) ?(?:/|per) ?s(?:ec(?:ond)?)?|tps)\b"
    rf"(?: (?:speed|rate|output|of|is|was|are|were|about|around|only|at|used to be|went|goes|has|have"
    rf"|dropped|drops|fell|falls|down|now|from|to)){{0,6}}[ :=~]{{1,3}}(?P<a>{_N})(?: to (?P<b>{_N}))?"
    rf"(?![\d.]*(?: ?(?:%|x\b|gb|threads|layers|cores|ms|s\b|tok|t/s|b\b)))",
    re.IGNORECASE,
)


def taken(text: str) -> Iterator[tuple[int, int, float, bool]]:
    """Return start, end, tokens/s and whether it is a bound, for ``40 tokens in 5 minutes``."""
    for match in _TAKEN.finditer(text):
        seconds = numbers.number(match.group("t") or match.group("t2"))
        seconds *= 60 if (match.group("u") or match.group("u2")).lower().startswith("min") else 1
        if seconds > 0:
            rate = int(match.group("n") or match.group("n2")) / seconds
            yield match.start(), match.end(), rate, bool(match.group("bound"))


def ahead(text: str) -> Iterator[tuple[int, int, float, float | None]]:
    """Return start, end, tokens/s and what it was before, for ``t/s dropped from 2.9 to 0.5``."""
    for match in _AHEAD.finditer(text):
        first = numbers.number(match.group("a"))
        if match.group("b") is None:
            yield match.start(), match.end(), first, None
            continue
        second = numbers.number(match.group("b"))
        yield match.start(), match.end(), second, first if first > second else None
