"""Expressions that are compiled when they are needed, and logs that are searched for the texts they need."""

from __future__ import annotations

import gc
import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model.bundle import Line
from pvekit.passthrough import symptoms
from pvekit.passthrough.checks import all_checks
from pvekit.passthrough.logs import Entry, Log
from pvekit.passthrough.pattern import Pattern, needs

_SIGNS = [
    *("abc", "bcd", "cab", "aab", "a", "b", " ", "-", "]", "}", ":"),
    *(r"\.", r"\[", r"\-", r"\d", r"\w", r"\s", r"\b", r"\n", r"\x61", r"\u0061", ".", "^", "$"),
    *("[ab]", "[^a]", "[]a]", r"[\]b]", "{", r"\1"),
]
_TIMES = ["", "", "", "", "?", "*", "+", "??", "*?", "+?", "{2}", "{0}", "{0,2}", "{1,3}", "{,2}", "{2,}", "{,}", "{}"]
_OPEN = ["(?:", "(", "(?P<x>", "(?=", "(?!", "(?<=", "(?<!", "(?i:", "(?>", "(?s-i:"]
_TEXTS = st.text("abcdA .-[]{}:\n1", max_size=8)


def _sequence(pieces: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.tuples(pieces, st.sampled_from(_TIMES)).map("".join), max_size=4).map("".join)


def _choices(pieces: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(_sequence(pieces), min_size=1, max_size=3).map("|".join)


def _group(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from(_OPEN), _choices(inner)).map(lambda parts: f"{parts[0]}{parts[1]})")


_EXPRESSIONS = _choices(st.recursive(st.sampled_from(_SIGNS), _group, max_leaves=5))


def _compiled(pattern: str) -> re.Pattern[str] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(pattern)
        except re.error:
            return None


@settings(max_examples=300, deadline=None)
@given(_EXPRESSIONS, st.data())
def test_what_an_expression_needs_is_in_whatever_it_finds(pattern: str, data: st.DataObject) -> None:
    compiled = _compiled(pattern)
    wanted = needs(pattern)
    if compiled is None or not wanted:
        return
    texts = [data.draw(_TEXTS)]
    if not re.search(r"\\b|\(\?[=!<>]", pattern):
        texts.append(data.draw(st.from_regex(compiled)))
    for text in texts:
        assert compiled.search(text) is None or any(need in text for need in wanted)


@settings(max_examples=300, deadline=None)
@given(st.lists(_TEXTS.filter(lambda text: "\n" not in text), max_size=12), st.lists(_EXPRESSIONS, max_size=3))
def test_a_log_has_what_a_search_of_every_entry_has(texts: list[str], patterns: list[str]) -> None:
    log = Log(tuple(Entry(text, Line("dmesg.txt", number, text)) for number, text in enumerate(texts, 1)))
    wanted = [compiled for pattern in patterns if (compiled := _compiled(pattern)) is not None]
    lazy = [Pattern(compiled.pattern) for compiled in wanted]
    for compiled, pattern in zip(wanted, lazy, strict=True):
        found = [entry.line for entry in log.entries if compiled.search(entry.text)]
        assert [line for _, line in log.find(pattern)] == found
    places = [place for place, entry in enumerate(log.entries) if any(each.search(entry.text) for each in wanted)]
    having = list(log.having(*lazy))
    assert [place for place, entry in having if any(each.search(entry.text) for each in lazy)] == places
    assert [place for place, _ in having] == sorted({place for place, _ in having})


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        (r"NVRM: .*RmInitAdapter failed", ("RmInitAdapter failed",)),
        (r"(?:cannot|could not) open|not viable", ("cannot", "could not", "not viable")),
        (r"colou?rs? of", ("colo",)),
        (r"\[ffff:ffff\]", ("[ffff:ffff]",)),
        (r"(?:abc)?defg(?!hijklmn)", ("defg",)),
        (r"abc|\d+", ()),
        (r"(?i)failed", ()),
        (r"ab|cd", ()),
    ],
)
def test_what_an_expression_needs(pattern: str, wanted: tuple[str, ...]) -> None:
    assert set(needs(pattern)) == set(wanted)


def test_it_is_compiled_when_it_is_used_and_not_before() -> None:
    broken = Pattern("(")
    assert broken.possible("anything")
    with pytest.raises(re.error):
        broken.search("anything")
    assert not hasattr(Pattern("a"), "groups")
    assert Pattern("FAILED", re.IGNORECASE).needs == ()


def test_every_expression_of_the_room_can_be_compiled() -> None:
    assert all_checks()
    assert symptoms.SYMPTOMS
    patterns = [each for each in gc.get_objects() if isinstance(each, Pattern) and each.pattern != "("]
    assert len(patterns) > 300
    for pattern in patterns:
        re.compile(pattern.pattern, pattern.flags)
    # Most look for a text: a healthy host's log is not searched for them at all.
    assert sum(bool(pattern.needs) for pattern in patterns) > len(patterns) / 2
