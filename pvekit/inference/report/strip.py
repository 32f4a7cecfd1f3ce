"""Rows on one axis: where a value lies among others, or how long a bar is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pvekit.inference.report.axes import Axis, Scale, scale, tick_text
from pvekit.inference.report.svg import element, line, mark, path, picture, words

WIDTH = 480.0
_LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 14.0, 20.0, 60.0, 8.0, 54.0
_LETTERS = 54


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its words, the value, and the deciles of the others (least, nine, greatest); without them a bar."""

    text: str
    value: float
    says: str
    style: int
    deciles: tuple[float, ...] = ()


def draw(name: str, title: str, description: str, axis: Axis, rows: Sequence[Row]) -> str:
    """Return the picture of the rows, one below the other."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    bottom = height - _BOTTOM
    x = scale(axis, [value for row in rows for value in (row.value, *row.deciles)], _LEFT, WIDTH - _RIGHT)
    inside = [*_frame(axis, x, bottom, height)]
    for index, row in enumerate(rows):
        inside += _row(row, x, _TOP + index * _ROW)
    return picture(name, title, description, WIDTH, height, inside)


def _frame(axis: Axis, x: Scale, bottom: float, height: float) -> Iterator[str]:
    for tick in x.ticks:
        yield line(x.place(tick), _TOP, x.place(tick), bottom, "grid")
        yield words(
            tick_text(tick), min(x.place(tick), WIDTH - 4 * len(tick_text(tick)) - 2), bottom + 18, "tick", "middle"
        )
    yield line(x.start, bottom, x.end, bottom, "axis")
    yield words(axis.label, (x.start + x.end) / 2, height - 8, "label", "middle")


def _row(row: Row, x: Scale, top: float) -> Iterator[str]:
    text = row.text if len(row.text) <= _LETTERS else f"{row.text[: _LETTERS - 1]}…"
    yield words(text, x.start, top + 14, "name")
    kind = f"s{row.style % 6}"
    middle = top + 38
    if row.deciles:
        least, low, half, high, most = (x.place(row.deciles[at]) for at in (0, 1, 5, 9, 10))
        yield line(least, middle, most, middle, "spread")
        yield path(((low, middle - 9), (high, middle - 9), (high, middle + 9), (low, middle + 9)), "box", closed=True)
        yield line(half, middle - 9, half, middle + 9, "median")
        yield mark(row.style, x.place(row.value), middle, 6)
        yield words(row.says, x.end, top + 14, f"value t{row.style % 6}", "end")
    else:
        wide = max(x.place(row.value) - x.place(max(x.low, 0.0)), 1.0)
        yield element("rect", x=x.place(max(x.low, 0.0)), y=middle - 9, width=wide, height=18, class_=f"bar {kind}")
        inner = wide > (x.end - x.start) / 2
        at = x.place(row.value) + (-8 if inner else 10)
        kind = "onbar" if inner else f"value t{row.style % 6}"
        yield words(row.says, at, middle + 5, kind, "end" if inner else "start")
