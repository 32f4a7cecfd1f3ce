"""Machines that are named by their maker's model: it says which processor or memory they have."""

from __future__ import annotations

import re

from pvekit.inference.hardware import Isa
from pvekit.inference.reports.found import SAID, Found
from pvekit.inference.reports.prose.clauses import Clause

_OLD = (
    r"\b(?:DL|ML|BL|SL|SE)\d{3,4}\w? ?G[67]\b|\b(?:PowerEdge|Dell) [RTM]\d10\b|\bx3[256]50 ?M[23]\b"
    r"|\bMac ?Pro \(?(?:5,1|4,1|2009|2010)\b"
)
"""Nehalem and Westmere (2009 to 2011)."""
_LATER = (
    r"\b(?:DL|ML|BL|SL)\d{3,4}\w? ?(?:Gen ?8|G8)\b|\b(?:PowerEdge|Dell) [RTM]\d20\b|\bx3[256]50 ?M4\b"
    r"|\bMac ?Pro \(?(?:6,1|(?:late )?2013)\b"
)
"""Sandy Bridge and Ivy Bridge (2012, 2013)."""
_BOXES = ((Isa.SSE42, _OLD), (Isa.AVX, _LATER))
_PATTERNS = tuple((isa, re.compile(pattern, re.IGNORECASE)) for isa, pattern in _BOXES)


_FIXED = ((512 * 2**20, re.compile(r"\b(?:raspberry )?pi ?zero\b|\bPi ?Zero ?2\b", re.IGNORECASE)),)
"""Bytes of memory of products that are sold with one size only."""


def read(clause: Clause, found: Found) -> None:
    """Keep the instructions of a server's generation, and the memory of a product that has one size."""
    if not clause.own:
        return
    for size, pattern in _FIXED:
        if pattern.search(clause.text):
            found.say("memory.capacity", size, clause.line, SAID)
    for isa, pattern in _PATTERNS:
        if pattern.search(clause.text):
            found.say("machine.box", isa, clause.line, SAID)
