"""What a person writes: speeds, the model, the machine and its states, from plain sentences.

Only lines that no reader of a program's output took are prose. What may mean two things is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from pvekit.inference.reports.found import Found, ModelSeen
from pvekit.inference.reports.lines import Line, Text
from pvekit.inference.reports.prose import boxes, clouds, machine, memory, signs, speeds, states
from pvekit.inference.reports.prose.clauses import Clause, split

_PRINTED = re.compile(
    r"^(?:\[ *\d+\.\d{3,6}\]|time=|level=|\{|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:|[a-z_]+\.(?:go|cpp|c"
    r"|py):\d+|\+-{5,}|\|=|Traceback|\s*at 0x|#include|diff --git|@@)"
)
_LONGEST = 1200
_MOST = 4000
"""Lines of prose in one file that are read; nobody writes more, but logs of unknown programs have more."""


def read(text: Text, found: Found) -> None:
    """Read all sentences of a file; a model that was named stays the one meant until another is."""
    last: ModelSeen | None = None
    for line in islice(_lines(text, found), _MOST):
        for clauses in split(line):
            last = _sentence(clauses, last, found)


def _lines(text: Text, found: Found) -> Iterator[Line]:
    for line in text.lines:
        if (line.file, line.number) not in found.taken and line.text.strip() and not _PRINTED.match(line.text):
            yield replace(line, text=line.text[:_LONGEST])


def _sentence(clauses: tuple[Clause, ...], last: ModelSeen | None, found: Found) -> ModelSeen | None:
    for clause in clauses:
        machine.read(clause, found)
        boxes.read(clause, found)
        clouds.read(clause, found)
        memory.read(clause, found)
        states.read(clause, found)
    signs.read(clauses, found)
    return speeds.read(clauses, last, found)
