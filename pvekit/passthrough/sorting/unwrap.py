"""Lines that a terminal or a mail program has cut at its width, put together again where that is certain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from pvekit.model.bundle import Line
from pvekit.passthrough import logs
from pvekit.passthrough.lspcitext import head
from pvekit.passthrough.sorting import commands, looks
from pvekit.passthrough.sorting.cut import START_LOGS

_USUAL = frozenset({72, 76, 78, 79, 80, 100, 120, 132, 160, 200})
"""Widths of terminals and mails; another one has to show in two lines at least."""
_NARROW, _WIDE = 60, 260
_ONE_LINE = frozenset({"pci_sysfs.txt"})
"""Where such a text goes on below, its lines are short: what follows a long one is a piece of it."""
_LONGEST = 4000
"""Longer lines are not put together."""


def unwrapped(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with those joined that are pieces of one; it has the place of its first piece.

    A piece is as long as the longest line around it. What follows must not begin anything of its own, and both
    together have to be something that is known.
    """
    counts: dict[int, int] = {}
    for line in lines:
        counts[len(line.text)] = counts.get(len(line.text), 0) + 1
    longest = max(counts, default=0)
    found: list[Line] = []
    for blank, block in groupby(lines, key=lambda line: not line.text.strip()):
        part = list(block)
        width = 0 if blank else max(len(line.text) for line in part)
        shown = width in _USUAL or sum(len(line.text) == width for line in part) > 1
        shown = shown or (width == longest and counts[width] > 1)
        found += _joined(part, width) if shown and _NARROW <= width <= _WIDE else part
    return found


def _joined(lines: Sequence[Line], width: int) -> list[Line]:
    found: list[Line] = []
    piece = ""
    for line in lines:
        whole = _whole(found[-1].text, line.text, width) if found and len(piece) == width else None
        piece = line.text
        if whole is None:
            found.append(line)
        else:
            found[-1] = replace(found[-1], text=whole)
    return found


def _whole(before: str, text: str, width: int) -> str | None:
    """Return both together; None where the second is no continuation of the first."""
    mark = looks.quote(before)
    rest = text.removeprefix(mark) if mark else text
    role = _known(before)
    if len(before) > _LONGEST or before.endswith("\\") or _begins(looks.clean(rest), role, full=len(text) == width):
        return None
    whole = before + rest
    now = _known(whole)
    return whole if now is not None and (role in (None, now) or {role, now} <= START_LOGS) else None


def _known(text: str) -> str | None:
    """Return what a line is; devices in a list are known too, however they are indented."""
    clean = looks.clean(text)
    return looks.sure(clean) or ("lspci.txt" if head(clean.strip()) is not None else None)


def _begins(text: str, role: str | None, *, full: bool) -> bool:
    """Tell whether a line begins something: a message, an entry, a file, a command, a heading (which is short)."""
    if not text.strip() or text.startswith(("\t", "  ", "--", "- ", "-[", "#", "<", "[", "`", "~")):
        return True
    if logs.strip(text)[1] or logs.prompt(text) is not None or (not full and commands.of_heading(text) is not None):
        return True
    beside = START_LOGS if role in START_LOGS else {role or ""} - _ONE_LINE
    # A cut right before a blank leaves one at the front; whatever is indented has more of them.
    return looks.begins(text) or (text[0] != " " and any(looks.near(each, text) for each in beside))
