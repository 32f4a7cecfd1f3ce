"""Elements of SVG as text. Whatever is put in is escaped, and a number that is none is refused."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape

from pvekit.inference.report.scrub import clean


def element(tag: str, *inside: str, text: str | None = None, **attributes: str | float) -> str:
    """Return one element around ``inside`` (elements) or ``text``. Attributes write ``_`` for ``-``, ``class_`` class.

    Raises ValueError for a number that is not finite: it would be a hole in the picture that nobody sees.
    """
    written = "".join(f' {_name(name)}="{_value(value)}"' for name, value in attributes.items())
    content = escape(clean(text)) if text is not None else "".join(inside)
    return f"<{tag}{written}>{content}</{tag}>" if content else f"<{tag}{written}/>"


def picture(name: str, title: str, description: str, width: float, height: float, inside: Iterable[str]) -> str:
    """Return a whole picture that reads aloud as its title and description."""
    return element(
        "svg",
        element("title", text=title, id=f"{name}-title"),
        element("desc", text=description, id=f"{name}-desc"),
        *inside,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def words(text: str, x: float, y: float, kind: str, anchor: str = "start") -> str:
    """Return a line of text, as a class of the page's style says."""
    return element("text", text=text, x=x, y=y, class_=kind, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=kind)


def path(points: Iterable[tuple[float, float]], kind: str, *, closed: bool = False) -> str:
    """Return a line through points, or the area inside them."""
    steps = " L".join(f"{_value(x)} {_value(y)}" for x, y in points)
    return element("path", d=f"M{steps}{'Z' if closed else ''}", class_=kind)


def mark(style: int, x: float, y: float, size: float = 4.5) -> str:
    """Return the mark of a series: another shape for each, so that colour alone never tells."""
    kind = f"mark s{style % STYLES}"
    shape = style % STYLES
    if shape == 1:
        return element("rect", x=x - size, y=y - size, width=2 * size, height=2 * size, class_=kind)
    if shape in _SHAPES:
        return path(((x + dx * size, y + dy * size) for dx, dy in _SHAPES[shape]), kind, closed=True)
    return element("circle", cx=x, cy=y, r=size, class_=kind)


STYLES = 6
_SHAPES: dict[int, tuple[tuple[float, float], ...]] = {
    2: ((0, -1.3), (1.2, 0.9), (-1.2, 0.9)),
    3: ((0, -1.35), (1.35, 0), (0, 1.35), (-1.35, 0)),
    4: ((0, 1.3), (1.2, -0.9), (-1.2, -0.9)),
    5: ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4), (0.4, 1.2), (-0.4, 1.2),
        (-0.4, 0.4), (-1.2, 0.4), (-1.2, -0.4), (-0.4, -0.4)),
}  # fmt: skip


def _name(name: str) -> str:
    return {"viewBox": "viewBox"}.get(name, name.rstrip("_").replace("_", "-"))


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return escape(clean(value), quote=True)
    if not math.isfinite(value):
        raise ValueError(f"{value} has no place in a picture")
    return f"{value:.2f}".rstrip("0").rstrip(".") if value % 1 else f"{value:.0f}"
