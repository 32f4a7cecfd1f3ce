"""Pictures: well-formed whatever goes in, with words on every axis and no hole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from pvekit.inference.report.axes import Axis, scale
from pvekit.inference.report.chart import Band, Chart, Point, Series, draw
from pvekit.inference.report.strip import Row
from pvekit.inference.report.strip import draw as draw_strip
from pvekit.inference.report.svg import element
from tests.inference_report.made import HOSTILE, everything, paged, real

ANY = st.floats(allow_nan=True, allow_infinity=True)
SANE = st.floats(-1e12, 1e12)
TEXT = st.text(max_size=20)


def parsed(svg: str) -> etree._Element:
    root = etree.fromstring(svg.encode())
    for node in root.iter():
        for value in node.attrib.values():
            assert not re.search(r"\b(nan|inf)\b", str(value), re.IGNORECASE)
    return root


def texts(root: etree._Element) -> list[str]:
    return [str(node.text) for node in root.iter("text")]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(ANY, ANY, ANY, ANY), max_size=12), st.lists(st.tuples(SANE, SANE, SANE), max_size=5),
    TEXT, st.booleans(), st.booleans(), st.sampled_from(["point", "mark", "line", "dash", "step"]),
)  # fmt: skip
def test_a_chart_is_whole_whatever_goes_in(
    rows: list[tuple[float, float, float, float]], band: list[tuple[float, float, float]], words: str,
    log_x: bool, log_y: bool, form: str,
) -> None:  # fmt: skip
    points = tuple(Point(x, y, low, high, words) for x, y, low, high in rows)
    chart = Chart("c", words, words, Axis("across", log_x), Axis("up", log_y), (Series(words, points, 3, form),),
                  (Band(words, tuple(band), 1),))  # fmt: skip
    root = parsed(draw(chart))
    assert {"across", "up"} <= set(texts(root))
    assert root.get("role") == "img"
    assert [node.get("id") for node in root][:2] == str(root.get("aria-labelledby")).split()


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=8), st.booleans())
def test_an_axis_holds_its_values_and_keeps_their_order(values: list[float], log: bool) -> None:
    made = scale(Axis("x", log), values, 0, 100)
    assert made.low <= min(values) * (1 + 1e-9)
    assert made.high >= max(values) * (1 - 1e-9)
    assert made.ticks
    assert all(made.low <= tick <= made.high for tick in made.ticks)
    assert list(made.ticks) == sorted(made.ticks)
    places = [made.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in places)
    if not log:
        assert made.low == 0


def test_a_strip_is_whole() -> None:
    rows = [Row(HOSTILE, 0.1, "10 %", 0, tuple(index / 10 for index in range(11))), Row("bar", 4.0, "4 J", 1)]
    root = parsed(draw_strip("s", HOSTILE, "d", Axis("joules per token"), rows))
    assert "joules per token" in texts(root)
    assert not root.findall(".//script")


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        element("line", x1=float("nan"))


@pytest.mark.parametrize(
    "records", [real(), everything(), everything(HOSTILE, HOSTILE)], ids=["real", "all", "hostile"]
)
def test_every_plot_of_a_page_is_well_formed_and_has_words_on_its_axes(records: list) -> None:  # type: ignore[type-arg]
    figures = [figure for section in paged(records, records).sections for figure in section.figures]
    assert len(figures) >= 8
    for figure in figures:
        root = parsed(figure.svg)
        labels = [str(node.text) for node in root.iter("text") if node.get("class") == "label"]
        assert len(labels) >= (
            1 if figure.id.startswith(("energy", "percentile")) or "beside" in figure.title else 2
        ), figure.id
        assert all(label.strip() for label in labels)
        assert root.findtext("title") == figure.title
        assert figure.says
        assert not root.findall(".//script")
        assert len([node for node in root.iter("text") if node.get("class") == "tick"]) >= 2
