"""The small picture beside a name in the key of a plot."""

from __future__ import annotations

from pvekit.inference.report.svg import element, line, mark


def swatch(style: int, form: str) -> str:
    """Return what a series looks like: a mark on a line, a line, a dashed line, or a band."""
    if form == "band":
        return element("rect", x=0, y=0, width=26, height=12, class_=f"band s{style % 6}")
    if form == "mark":
        return mark(style, 13, 6, 4)
    stroke = line(0, 6, 26, 6, f"{'dash' if form == 'dash' else 'line'} s{style % 6}")
    return stroke + mark(style, 13, 6, 4) if form == "point" else stroke
