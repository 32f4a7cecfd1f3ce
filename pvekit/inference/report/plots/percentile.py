"""Decode beside public results of the same class of hardware."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pvekit.inference.report import public
from pvekit.inference.report.axes import Axis
from pvekit.inference.report.ceilings import ceilings
from pvekit.inference.report.figures import short
from pvekit.inference.report.plots.roofline import mixture
from pvekit.inference.report.strip import Row, draw
from pvekit.inference.report.view import Figure, Machine


@dataclass(frozen=True, slots=True)
class Place:
    """One value among the public ones. ``percent`` of them are below it."""

    what: str
    value: float
    percent: float
    kind: str
    group: public.Group
    at_most: bool = False
    """The peak is not known, and a measured bandwidth, which is lower, stands in its place."""


def places(machine: Machine) -> tuple[list[Place], str]:
    """Return where the machine's decode stands, and why it stands nowhere when it does."""
    run = machine.best("decode")
    if run is None:
        return [], "decode was not measured"
    above = ceilings(machine, run)
    if not above.kind:
        return [], "the class of the hardware is not known"
    if run.size is None:
        return [], "the size of the model is not known"
    values = {"rate": run.rate}
    bandwidth = above.bandwidth or above.measured
    if bandwidth is not None and not mixture(run):
        values["efficiency"] = run.rate * run.size / 1e9 / bandwidth
    found = []
    for what, value in values.items():
        group = public.group(above.kind, what, run.size)
        if group is not None:
            percent = public.rank(group.deciles, value)
            stand_in = what == "efficiency" and above.bandwidth is None
            if percent < 100 or not stand_in:  # "At most above all" says nothing.
                found.append(Place(what, value, percent, above.kind, group, stand_in))
    if found:
        return found, ""
    if bandwidth is not None and above.bandwidth is None:
        return [], "the peak bandwidth of the memory is not known, and what was measured of it tells no rank"
    few = f"there are too few public results of {above.kind} with a model of this size"
    return [], few if bandwidth is not None else f"{few}, and the bandwidth of the memory is not known"


def figures(machines: Sequence[Machine]) -> tuple[list[Figure], list[str]]:
    """Return a plot of the speed and one of the share of the bandwidth, and what could not be compared."""
    rows: dict[str, list[Row]] = {"rate": [], "efficiency": []}
    says: dict[str, list[str]] = {"rate": [], "efficiency": []}
    lacking: list[str] = []
    many = len(machines) > 1
    for style, machine in enumerate(machines):
        who = f"{machine.label}: " if many else ""
        found, why = places(machine)
        if why:
            lacking.append(f"{who}No comparison with public results, because {why}.")
        for place in found:
            percent = place.what == "efficiency"
            value = 100 * place.value if percent else place.value
            shown = f"{'≤ ' if place.at_most else ''}{short(value)}{' %' if percent else ''}"
            deciles = tuple(100 * each if percent else each for each in place.group.deciles)
            text = f"{who}{place.kind}, {place.group.sizes}"
            rows[place.what].append(Row(text, value, shown, style, deciles))
            says[place.what] += _says(who, place)
    titles = {"rate": ("Decode beside public results", "tokens/s"),
              "efficiency": ("Share of the peak bandwidth", "percent of the peak bandwidth")}  # fmt: skip
    made = []
    for what, (title, label) in titles.items():
        if rows[what]:
            axis = Axis(label, log=what == "rate")
            name = f"percentile-{what}"
            made.append(Figure(name, title, draw(name, title, " ".join(says[what]), axis, rows[what]),
                               tuple(says[what])))  # fmt: skip
    return made, lacking


def _says(who: str, place: Place) -> list[str]:
    count = place.group.count
    if place.percent <= 0:
        text = f"Below all {count} public results of its class"
    elif place.percent >= 100:
        text = f"Above all {count} public results of its class"
    else:
        most = "at most " if place.at_most else ""
        text = f"Above {most}{place.percent:.0f} of 100 public results of its class ({count} kinds of hardware)"
    every = place.group.whole and place.what == "efficiency"
    said = [f"{who}{text}."]
    if every:
        said.append("Small models reach a smaller share than large ones.")
    if place.at_most:
        said.append("The peak bandwidth is not known; the measured one, which is lower, stands in its place.")
    return said
