"""Names of processors and cards as kernels, drivers and benchmark sites write them, made comparable."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
    return re.sub(r"[\s_,/\[\]();:]+", " ", text).strip()


def longest(name: str, known: Iterable[str]) -> str | None:
    """Return the longest of ``known`` whose words stand in ``name`` as whole words; None when none does."""
    text = f" {plain(name)} "
    found = [each for each in known if f" {plain(each)} " in text]
    return max(found, key=lambda each: len(plain(each)), default=None)
