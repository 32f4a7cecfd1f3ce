"""What happens during a run, told to whoever wants to show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What an event says about a step."""

    START = "start"
    LOG = "log"
    DONE = "done"
    SKIP = "skip"
    FAIL = "fail"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``vm`` is empty for steps that belong to the whole stack.

    ``seconds`` is the step's duration for DONE and FAIL, None otherwise.
    """

    kind: Kind
    vm: str
    step: str
    text: str = ""
    seconds: float | None = None


Emit = Callable[[Event], None]


def silent(_event: Event) -> None:
    """Take an event and show nothing."""
