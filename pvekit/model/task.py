"""How a PVE task ended, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Ending(Enum):
    """The three ways a task ends."""

    OK = "ok"
    WARNINGS = "warnings"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The end of a task: ``exitstatus`` in PVE's own words and the whole log, line by line."""

    upid: str
    ending: Ending
    exitstatus: str
    log: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether the task did what it should (warnings included)."""
        return self.ending is not Ending.FAILURE

    def tail(self, lines: int = 5) -> str:
        """Return the last lines of the log, for an error message."""
        return "\n".join(self.log[-lines:])


def ending_of(exitstatus: str) -> Ending:
    """Read PVE's exit status: ``OK``, ``WARNINGS: n``, anything else is a failure (pve-common, PVE::Tools)."""
    if exitstatus == "OK":
        return Ending.OK
    if exitstatus.startswith("WARNINGS"):
        return Ending.WARNINGS
    return Ending.FAILURE
