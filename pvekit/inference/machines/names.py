"""Names of processors and cards as kernels, drivers and benchmark sites write them, made comparable."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

_MARKS = re.compile(r"\((?:r|tm|c)\)|®|™", re.IGNORECASE)
_NOISE = re.compile(
    r"\b(?:cpu|processor|geforce|nvidia|amd|intel|genuine|corporation|graphics|generation)\b|@.*$|w(?:ith|/) radeon.*$"
    r"|\b\d+-cores?\b|\b(?:sixteen|twelve|eight|six|quad|dual)-core\b|\d+(?:th|rd|nd|st) gen\b",
    re.IGNORECASE,
)


def unmarked(name: str) -> str:
    """Return a name without trade marks."""
    return re.sub(r" +", " ", _MARKS.sub("", name)).strip()


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Return the words that tell models apart, in lower case with one space between them."""
    text = _NOISE.sub(" ", unmarked(name)).lower()
    text = re.sub(r"\b(rtx|gtx|rx)(\d)", r"\1 \2", text)
    text = re.sub(r"(\d)\s*(ti|super|xtx?|gre)\b", r"\1 \2", text)
    text = re.sub(r"\b([pvt]\d{1,3})-(?:pcie|sxm\d).*$", r"\1", text)
    text = re.sub(r"\b(e[357]-\d{4}[a-z]?)v(\d)\b", r"\1 v\2", text)
    text = re.sub(r"\brpi ?(\d)", r"raspberry pi \1", text)
    text = re.sub(r"\b(?:laptop gpu|laptop|mobile)\b", "laptop", text)
    text = re.sub(r"\bwith max-q design\b|\bmax-q design\b", "max-q", text)
    if "ryzen" in text and "threadripper" not in text:
        text = re.sub(r"\bpro\b", " ", text)
    return re.sub(r"[\s_,/\[\]();:]+", " ", text).strip()


_VARIANTS = (
    (re.compile(r"\b(i[3579]-\d{4,5})(?:kf|ks|k|f|s|e|b|p)\b|\b(ultra \d \d{3})(?:kf|k|f|s)\b", re.IGNORECASE), 1.0),
    (re.compile(r"\b(i[3579]-\d{4,5})(?:te|t)\b|\b(ultra \d \d{3})t\b", re.IGNORECASE), 0.75),
    (re.compile(r"\b(ryzen \d (?:pro )?\d{4}g)e\b", re.IGNORECASE), 0.9),
    (re.compile(r"\b(epyc \d{3}[\dF])p\b|\b(ryzen \d \d{4}x)t\b", re.IGNORECASE), 1.0),
    (re.compile(r"\b((?:gold|silver|platinum) \d{4})[a-z+]\b", re.IGNORECASE), 1.0),
)
"""Letters after a model's number that change nothing that counts here, or only the clock (T: 35 W)."""


def kin(name: str) -> Iterator[tuple[str, float]]:
    """Return names of close relatives of a processor, each with its clock over theirs."""
    for form, clock in _VARIANTS:
        if form.search(name):
            yield form.sub(lambda found: next(each for each in found.groups() if each), name), clock


def longest(name: str, known: Iterable[str]) -> str | None:
    """Return the longest of ``known`` whose words stand in ``name`` as whole words; None when none does."""
    text = f" {plain(name)} "
    found = [each for each in known if f" {plain(each)} " in text]
    return max(found, key=lambda each: len(plain(each)), default=None)
