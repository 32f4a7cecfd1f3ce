"""What the lint of an answer file says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from pvekit.model.answer.tree import Node


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake. ``line`` counts from 1, 0 means the file as a whole; ``path`` is the element's place.

    No finding quotes a password or a product key.
    """

    line: int
    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Return the finding as one line."""
        place = f"line {self.line}: " if self.line else ""
        where = f"{self.path}: " if self.path else ""
        return f"{place}{where}{self.message}" + (f" {self.hint}" if self.hint else "")


def at(node: Node, message: str, hint: str = "") -> Finding:
    """Return a finding at an element."""
    return Finding(node.line, node.path, message, hint)


def near(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a hint that names the nearest known word, empty when none is near."""
    by_case = {each.casefold(): each for each in known}
    close = difflib.get_close_matches(word.casefold(), by_case, n=1, cutoff=cutoff)
    return f"Did you mean {by_case[close[0]]}?" if close else ""
