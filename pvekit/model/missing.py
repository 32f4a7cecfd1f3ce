"""A fact that could not be read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that could not be read: "could not look" is not "not there"."""

    source: str
    why: str
