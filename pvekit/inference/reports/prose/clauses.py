"""Sentences and their clauses, and whether a clause is about this machine as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pvekit.inference.reports.lines import Line

_SENTENCE = re.compile(r"(?<=[.!?;])\s+(?=[A-Z0-9\"'(*-])|\s+[-–—]{1,2}>\s+|\s*;\s+|\s{3,}")
_CLAUSE = re.compile(
    r",\s+(?=(?:but|while|whereas|and|when|with|where|which|so|however|vs|instead|compared|then"
    r"|the|a|an|this|although|though|yet|or|on|in|using|without|after|even|my|i|it)\b)"
    r"|\s+(?=(?:but|while|whereas|versus|vs\.?|instead of|rather than|compared (?:to|with)"
    r"|as opposed to|although|though|however)\s)|\s+(?=\((?!\d{1,3}(?:\.\d)?[bB]\b|[Qq]\d))"
    r"|(?<=\))(?<![\dA-Z][bB]\))\s+"
    r"|\s+(?=and (?:with|on|in|when|my|the|i|after|without)\b)|,\s+(?=[^,]{0,60}\d[^,]{0,20}(?:t/s|tok))",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(
    r"\b(?:should|expect\w*|supposed|theoretical\w*|ought|could (?:be|get|reach|do)"
    r"|would(?! (?:only )?(?:generate|produce|output|run at))(?: be"
    r"| get| like| have| expect)?|claim\w*|advertis\w+|others?"
    r"|other (?:people|users)|people|someone|somebody|reddit|online|youtube|videos?|reviews?"
    r"|according to|hop(?:e|ed|ing)|compared|instead of|rather than|as opposed"
    r"|friend'?s?|my (?:own )?(?:phone|other)|similar (?:machine|server|setup|hardware)"
    r"|estimated?|calculat\w+|versus|vs\.?|upgrade|planning|thinking (?:of|about)"
    r"|consider\w*|buy\w*|if i (?:had|could|get|got|buy|bought|add|were|used|upgrade\w*)|ideal\w*|colleague\w*)\b",
    re.IGNORECASE,
)
_OTHER_STATE = re.compile(
    r"\b(?:used to|previously|yesterday|last week|old(?:er)? version|on bare[- ]?metal"
    r"|bare[- ]?metal (?:i|it|gets|gives)|natively|outside (?:of )?(?:the |a )?vm|on the host"
    r"|directly on|normally|usually|reference|need|want(?:ed)?|target|posts?|(?:on|under"
    r"|in) windows(?! (?:\d|runs?\b|with\b|laptop|pc\b|machine))|windows (?:gets|does)|before (?:the|that|this|i)"
    r"|was (?:getting|at)(?=[^.]*\b(?:before|then|until|earlier|previously|now)\b))\b",
    re.IGNORECASE,
)
"""What makes a speed one of another time or place, and no fact untrue."""
_OWN_BOX = re.compile(
    r"\b(?:my|a|the) (?:own |old |gaming |work )?(?:laptop|macbook|mac|desktop|notebook|gaming (?:pc|rig)|m\d)\b",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"\b(?:others?|people|even|while|whereas|but|compared|vs|versus|than|meanwhile|though|only)\b", re.IGNORECASE
)
_A_VM = re.compile(r"\b(?:vms?|virtual machine|guest|vps)\b", re.IGNORECASE)
_FIXED = re.compile(
    r"\b(?:after|once|when|by) (?:i |we )?(?:chang|switch|set|enabl|add|mov|updat|fix|install"
    r"|pinn|disabl|populat|reseat|rebuil|recompil)\w*|\b(?:went up|improved|increased|jumped"
    r"|rose) to\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a sentence. ``own`` is False where it speaks of another machine, of hopes or of what was repaired."""

    line: Line
    text: str
    own: bool
    sentence: str


_ASKS = re.compile(
    r"^\W*(?:(?:so|and|or|but|also)\W+)?(?:is|are|was|does|do|did|could|can|should|would|will|has|have|am)\b",
    re.IGNORECASE,
)


def asks(sentence: str) -> bool:
    """Return whether a sentence asks if something is so; one that asks why it is so says that it is."""
    return sentence.rstrip(" \"')*").endswith("?") and _ASKS.match(sentence) is not None


def split(line: Line) -> Iterator[tuple[Clause, ...]]:
    """Return the clauses of each sentence of a line."""
    text = re.sub(r"`|\*\*|(?<!\S)_(?=\w)|(?<=\w)_(?!\S)", "", line.text)
    for sentence in _SENTENCE.split(text):
        if sentence and sentence.strip():
            parts = [part for part in _CLAUSE.split(sentence) if part and part.strip()]
            yield tuple(Clause(line, part.strip(), is_own(part, sentence), sentence) for part in parts)


def is_own(text: str, sentence: str = "") -> bool:
    """Return whether a clause speaks of this machine."""
    if _FIXED.search(text) or _ELSEWHERE.search(text):
        return False
    return _OWN_BOX.search(text) is None or _COMPARES.search(sentence or text) is None


def is_now(text: str) -> bool:
    """Return whether a speed in a clause is the one there is now, in the place the report is about."""
    return _OTHER_STATE.search(text) is None


def about_vm(clause: Clause) -> bool:
    """Return whether numbers in a clause are a VM's: it names one, or stands in brackets behind one."""
    if _A_VM.search(clause.text):
        return True
    if not clause.text.startswith("("):
        return False
    before = clause.sentence[: max(0, clause.sentence.find(clause.text))]
    return _A_VM.search(before[-24:]) is not None
