"""Draws one chart: axes with ticks and labels, lines, marks with error bars, bands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pvekit.inference.report.axes import Axis, Scale, scale, tick_text
from pvekit.inference.report.svg import STYLES, line, mark, path, picture, words

WIDTH, HEIGHT = 480.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 20.0, 34.0, 50.0
_LETTER = 7.0
_AROUND = ((1, -7), (-1, -7), (0, -11), (1, 16), (-1, 16), (0, 22), (1, -22), (-1, -22), (0, -26), (1, 31), (-1, 31))
"""Where a label may stand: right of, above or left of its point, and how far below it."""
"""About the width of a letter of the labels, in picture units."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value, with the range it was seen in and a short label."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together. ``form`` is point (marks and line), mark, line, dash or step."""

    name: str
    points: tuple[Point, ...]
    style: int
    form: str = "point"


@dataclass(frozen=True, slots=True)
class Band:
    """An interval along x: (x, low, high)."""

    name: str
    points: tuple[tuple[float, float, float], ...]
    style: int


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, and the words for those who do not see it."""

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    bands: tuple[Band, ...] = ()

    def key(self) -> tuple[tuple[int, str, str], ...]:
        """Return what every style stands for."""
        bands = [(band.style, "band", band.name) for band in self.bands if band.name]
        return (*((each.style, each.form, each.name) for each in self.series if each.name), *bands)


def draw(chart: Chart) -> str:
    """Return the picture. What has no place on an axis (not finite, or 0 on one of factors) is left out."""
    series = [(each, [point for point in each.points if _fits(chart, point.x, point.y)]) for each in chart.series]
    bands = [(each, [row for row in each.points if _fits(chart, row[0], row[1], row[2])]) for each in chart.bands]
    points = [point for _, kept in series for point in kept]
    areas = [row for _, kept in bands for row in kept]
    heights = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    x = scale(chart.x, [*(point.x for point in points), *(row[0] for row in areas)], _LEFT, WIDTH - _RIGHT)
    y = scale(chart.y, [*heights, *(value for row in areas for value in row[1:])], HEIGHT - _BOTTOM, _TOP, 5)
    inside = [*_frame(chart, x, y)]
    inside += [part for band, kept in bands for part in _band(band, kept, x, y)]
    inside += [part for each, kept in series for part in _lines(each, kept, x, y)]
    inside += [part for each, kept in series for part in _marks(chart, each, kept, x, y)]
    inside += _labels(series, x, y)
    return picture(chart.name, chart.title, chart.description, WIDTH, HEIGHT, inside)


def _fits(chart: Chart, x: float, *heights: float) -> bool:
    return chart.x.holds(x) and all(chart.y.holds(height) for height in heights)


def _frame(chart: Chart, x: Scale, y: Scale) -> Iterator[str]:
    for tick in y.ticks:
        at = y.place(tick)
        yield line(x.start, at, x.end, at, "grid")
        yield words(tick_text(tick), x.start - 8, at + 4, "tick", "end")
    after = -math.inf
    for tick in x.ticks:
        at, text = x.place(tick), tick_text(tick)
        yield line(at, y.start, at, y.start + 5, "axis")
        half = len(text) * _LETTER / 2
        if at - half > after:
            yield words(text, min(at, WIDTH - half - 2), y.start + 20, "tick", "middle")
            after = at + half + 4
    yield line(x.start, y.start, x.end, y.start, "axis")
    yield words(chart.x.label, (x.start + x.end) / 2, HEIGHT - 8, "label", "middle")
    yield words(chart.y.label, 6, 16, "label")


def _band(band: Band, rows: Sequence[tuple[float, float, float]], x: Scale, y: Scale) -> Iterator[str]:
    kind = f"band s{band.style % STYLES}"
    if len(rows) == 1:
        at, low, high = rows[0]
        left, right = max(x.place(at) - 9, x.start), min(x.place(at) + 9, x.end)
        corners = ((left, y.place(low)), (right, y.place(low)), (right, y.place(high)), (left, y.place(high)))
        yield path(corners, kind, closed=True)
    elif rows:
        there = [(x.place(at), y.place(high)) for at, _, high in rows]
        back = [(x.place(at), y.place(low)) for at, low, _ in reversed(rows)]
        yield path([*there, *back], kind, closed=True)


def _lines(series: Series, points: Sequence[Point], x: Scale, y: Scale) -> Iterator[str]:
    if series.form == "mark" or len(points) < 2:
        return
    places = [(x.place(point.x), y.place(point.y)) for point in points]
    if series.form == "step":
        places = [places[0], *((bx, by) for a, b in pairwise(places)
                               for bx, by in ((b[0], a[1]), b))]  # fmt: skip
    yield path(places, f"{'dash' if series.form == 'dash' else 'line'} s{series.style % STYLES}")


def _marks(chart: Chart, series: Series, points: Sequence[Point], x: Scale, y: Scale) -> Iterator[str]:
    if series.form not in ("point", "mark"):
        return
    for point in points:
        at = x.place(point.x)
        if point.low is not None and point.high is not None and _fits(chart, point.x, point.low, point.high):
            low, high = y.place(point.low), y.place(point.high)
            kind = f"error s{series.style % STYLES}"
            yield line(at, low, at, high, kind)
            yield line(at - 4, low, at + 4, low, kind)
            yield line(at - 4, high, at + 4, high, kind)
        yield mark(series.style, at, y.place(point.y))


def _labels(series: Sequence[tuple[Series, list[Point]]], x: Scale, y: Scale) -> list[str]:
    """Return the labels that find a free place beside their points."""
    made: list[str] = []
    taken: list[tuple[float, float, float, float]] = []
    for each, points in series:
        if each.form in ("point", "mark"):
            taken += [(x.place(p.x) - 5, y.place(p.y) - 5, x.place(p.x) + 5, y.place(p.y) + 5) for p in points]
    for each, points in series:
        for point in points:
            if not point.label:
                continue
            wide, at, up = len(point.label) * _LETTER, x.place(point.x), y.place(point.y)
            for side, dy in _AROUND:
                dx = {1: 8.0, 0: -wide / 2, -1: -8 - wide}[side]
                box = (at + dx, up + dy - 11, at + dx + wide, up + dy + 3)
                inside = box[0] >= x.start and box[2] <= WIDTH and box[1] >= _TOP - 14 and box[3] <= y.start
                if inside and not any(_overlap(box, other) for other in taken):
                    made.append(words(point.label, box[0], up + dy, f"value t{each.style % STYLES}"))
                    taken.append(box)
                    break
    return made


def _overlap(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
