"""What somebody collected from a host, as lines of text that keep their place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one file. ``number`` counts from 1."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        """Return the line in the form editors can jump to."""
        return f"{self.file}:{self.number}: {self.text.strip()}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Text files by their path inside the bundle, and what was left out with the reason."""

    name: str
    files: Mapping[str, str]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def lines(self, file: str) -> tuple[Line, ...]:
        """Return the lines of one file; it is a mistake to ask for one that is not there."""
        return tuple(Line(file, number, text) for number, text in enumerate(self.files[file].splitlines(), 1))
