"""What a person saw and says in words: that more threads did not help, that the disk was busy, that a card sat idle.

A sign is evidence for a cause and no proof. A question that asks whether it is so says nothing; one that asks why it is
so says that it is.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import yaml

from pvekit.inference.reports.found import SAID, Found
from pvekit.inference.reports.prose.clauses import Clause, asks

_NOT = re.compile(r"\b(?:isn'?t|not|never|no) (?:\w+ ){0,2}$", re.IGNORECASE)


@cache
def patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return the name of every sign with what it looks like."""
    raw = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
    found = []
    for name, texts in raw["signs"].items():
        whole = "|".join(texts)
        for word, meant in raw["words"].items():
            whole = whole.replace(f"<{word}>", meant)
        found.append((name, re.compile(whole, re.IGNORECASE)))
    return tuple(found)


def read(clauses: tuple[Clause, ...], found: Found) -> None:
    """Keep the signs of a sentence, over its clauses."""
    if not clauses or asks(clauses[0].sentence):
        return
    sentence, line = clauses[0].sentence, clauses[0].line
    for name, pattern in patterns():
        match = pattern.search(sentence)
        if match is not None and _NOT.search(sentence[max(0, match.start() - 24) : match.start()]) is None:
            found.say(f"sign.{name}", True, line, SAID)
