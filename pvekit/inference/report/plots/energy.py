"""Electricity per token, and what the machine takes when it does nothing."""

from __future__ import annotations

from collections.abc import Sequence

from pvekit.inference.report.axes import Axis
from pvekit.inference.report.figures import short
from pvekit.inference.report.strip import Row, draw
from pvekit.inference.report.view import Figure, Machine

_MOST = 8


def figure(machines: Sequence[Machine]) -> Figure | None:
    """Return the plot, or None where no energy per token is known."""
    many = len(machines) > 1
    rows: list[Row] = []
    says: list[str] = []
    for style, machine in enumerate(machines):
        who = f"{machine.label}: " if many else ""
        rows += [
            Row(f"{who}{energy.key}", energy.per_token, f"{short(energy.per_token)} J", style)
            for energy in machine.energies
            if energy.per_token is not None
        ]
        says += idle(machine, who)
    if not rows:
        return None
    shown = rows[:_MOST]
    sources = sorted({energy.source for machine in machines for energy in machine.energies if energy.source})
    if sources:
        says.append(f"Measured by {', '.join(sources)}.")
    picture = draw("energy", "Energy per token", " ".join(f"{row.text}: {row.says}." for row in shown),
                   Axis("joules per token"), shown)  # fmt: skip
    return Figure("energy", "Energy per token", picture, tuple(says))


def idle(machine: Machine, who: str) -> list[str]:
    """Return what is known of the power without work, in words."""
    found = [energy.idle for energy in machine.energies if energy.idle is not None]
    return [f"{who}{short(sum(found) / len(found))} W when idle."] if found else []
