"""The baseline in the bundle beside the present state: what only a comparison with before can tell."""

from __future__ import annotations

from dataclasses import dataclass

from pvekit.passthrough.baseline import Baseline
from pvekit.passthrough.facts.recorded import Recorded


@dataclass(frozen=True)
class Compared:
    """Two looks at one host. The lines of ``before`` are those of baseline.json."""

    before: Baseline
    now: Baseline


def read(recorded: Recorded, now: Baseline) -> Compared:
    """Put them side by side; the present state is read only where there is a baseline."""
    return Compared(recorded.found, now)
