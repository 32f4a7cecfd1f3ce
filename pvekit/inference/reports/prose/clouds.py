"""Machines of clouds, by the names of their kinds: they are VMs, and the name says how many processors and which card.

By the pages of AWS and Azure on their instance types; a vCPU there is a hyperthread, except on ARM.
"""

from __future__ import annotations

import re

from pvekit.inference.reports.found import SAID, Found, Part
from pvekit.inference.reports.prose.clauses import Clause

_AWS = re.compile(r"\b((?:[cmrt]\d[a-z]{0,3}|[gp]\d[a-z]{0,3}|inf\d))\.(\d{0,2})(large|xlarge)\b", re.IGNORECASE)
_AZURE = re.compile(r"\bStandard[ _]?[A-Z]{1,2}(\d{1,3})[a-z]{0,3}[ _]?v\d\b")
_CARDS = {
    "g4dn": ("Tesla T4", {"12": 4}),
    "g5": ("A10G", {"12": 4, "24": 4, "48": 8}),
    "g6": ("L4", {"12": 4, "24": 4, "48": 8}),
    "g6e": ("L40S", {"12": 4, "24": 4, "48": 8}),
    "p2": ("K80", {"8": 8, "16": 16}),
    "p3": ("V100", {"8": 4, "16": 8}),
    "p4d": ("A100", {"24": 8}),
    "p5": ("H100", {"48": 8}),
}  # fmt: skip
"""The card of a kind, and how many of it the larger sizes have."""


def read(clause: Clause, found: Found) -> None:
    """Keep processors and cards of the one kind of machine that a clause names."""
    if not clause.own or re.search(r"\balso\b", clause.text, re.IGNORECASE):
        return
    named = {match.group().lower(): match for match in _AWS.finditer(clause.text)}
    if len(named) == 1:
        match = next(iter(named.values()))
        kind, times, size = match.group(1).lower(), match.group(2), match.group(3).lower()
        count = 2 if size == "large" else 4 * int(times or 1)
        _vm(count, clause, found)
        if kind in _CARDS:
            card, many = _CARDS[kind]
            found.gpus.append(Part(card, clause.line.seen(), SAID, many.get(times, 1)))
    elif azure := _AZURE.search(clause.text):
        _vm(int(azure.group(1)), clause, found)


def _vm(count: int, clause: Clause, found: Found) -> None:
    found.say("guest.virtual", True, clause.line, SAID)
    found.say("host.vcpus", count, clause.line, SAID)
