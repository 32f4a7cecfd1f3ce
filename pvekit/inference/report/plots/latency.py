"""Latency over HTTP: how many answers had begun, and how many tokens had come, within a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pvekit.inference.report.axes import Axis
from pvekit.inference.report.chart import Chart, Point, Series, draw
from pvekit.inference.report.figures import quantile, seconds
from pvekit.inference.report.plots.clients import alike
from pvekit.inference.report.svg import STYLES
from pvekit.inference.report.view import Figure, Load, Machine

_MOST = 200
"""Steps of one line: more cannot be seen."""
_Group = tuple[int, int, int | None]
"""Number of the machine, clients, and length of the prompt."""


def first_token(machines: Sequence[Machine]) -> Figure | None:
    """Return the distribution of the time to the first token, or None where it was not measured."""
    return _figure(machines, "latency-first", "Time to first token", "answers", lambda load: load.first)


def gaps(machines: Sequence[Machine]) -> Figure | None:
    """Return the distribution of the time between tokens, or None where it was not measured."""
    return _figure(machines, "latency-gaps", "Time between tokens", "gaps", lambda load: load.gaps)


def _figure(
    machines: Sequence[Machine], name: str, title: str, noun: str, values: Callable[[Load], Sequence[float]]
) -> Figure | None:
    groups = list(_groups(machines, values))
    series = [Series(label, _steps(found), style, "step") for style, (label, found) in enumerate(groups)]
    if not series:
        return None
    says = [
        f"{label}: half within {seconds(quantile(found, 0.5) or 0.0)}, 95 of 100 within "
        f"{seconds(quantile(found, 0.95) or 0.0)} ({len(found):,} {noun})."
        for label, found in groups
    ]  # fmt: skip
    unit = "milliseconds" if max(max(found) for _, found in groups) < 10 else "seconds"
    if unit == "milliseconds":
        series = [Series(s.name, tuple(Point(p.x * 1000, p.y) for p in s.points), s.style, s.form) for s in series]
    chart = Chart(
        name, title, " ".join(says), Axis(f"{title.lower()}, {unit}", log=True),
        Axis(f"share of {noun}, percent", at=(0, 25, 50, 75, 100)), tuple(series),
    )  # fmt: skip
    return Figure(name, title, draw(chart), tuple(says), chart.key())


def _groups(
    machines: Sequence[Machine], values: Callable[[Load], Sequence[float]]
) -> Iterator[tuple[str, list[float]]]:  # fmt: skip
    """Yield a name and the values of each number of clients and each length of prompt, as many as can be told apart."""
    found: dict[_Group, list[float]] = {}
    about = alike(load.prompt for machine in machines for load in machine.loads)
    for index, machine in enumerate(machines):
        for load in machine.loads:
            kept = [value for value in values(load) if value > 0]
            if kept:
                found.setdefault((index, load.clients, about.get(load.prompt)), []).extend(kept)
    found = _fewer(found)
    prompts = {prompt for _, _, prompt in found}
    for (index, clients, prompt), kept in sorted(found.items(), key=_order)[:STYLES]:
        parts = [machines[index].label] if len(machines) > 1 else []
        parts.append(f"{clients} client{'s' if clients != 1 else ''}")
        if len(prompts) > 1 and prompt is not None:
            parts.append(f"prompt of about {prompt:,}")
        yield ", ".join(parts), kept


def _fewer(found: dict[_Group, list[float]]) -> dict[_Group, list[float]]:
    """Return the groups themselves, or where they are too many, those of the fewest and the most clients."""
    if len(found) <= STYLES:
        return found
    counts = [clients for _, clients, _ in found]
    shortest = min((prompt for _, _, prompt in found if prompt is not None), default=None)
    ends = {key: kept for key, kept in found.items() if key[1] in (min(counts), max(counts))}
    return ends if len(ends) <= STYLES else {key: kept for key, kept in ends.items() if key[2] in (shortest, None)}


def _order(item: tuple[_Group, list[float]]) -> tuple[int, int, int]:
    (index, clients, prompt), _ = item
    return index, clients, prompt or 0


def _steps(values: Sequence[float]) -> tuple[Point, ...]:
    """Return the share of values up to each, from 0 at the least."""
    ordered = sorted(values)
    every = max(1, len(ordered) // _MOST)
    chosen = [*range(0, len(ordered) - 1, every), len(ordered) - 1]
    return (Point(ordered[0], 0.0), *(Point(ordered[at], 100 * (at + 1) / len(ordered)) for at in chosen))
