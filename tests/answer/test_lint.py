"""One mistake, one sentence: the lint's words and places, case by case."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pvekit.model.answer import lint
from pvekit.model.answer.components import PASSES
from pvekit.model.answer.kinds import _CHECKS
from pvekit.model.answer.outline import Setting, known
from tests.answer.good import CASES, CLASSIC, good_files

MISTAKES = yaml.safe_load((CASES / "lint.yaml").read_text())


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_at_its_place(name: str) -> None:
    case = MISTAKES[name]
    data, image = good_files()[case.get("base", CLASSIC)]
    text = data.decode().replace("\r\n", "\n")
    before, after = case["instead of"], case["write"]
    assert before in text
    found = lint(text.replace(before, after, case.get("times", 1)).encode(), image=image)
    words = [str(finding) for finding in found]
    assert any(case["says"] in each for each in words), words
    if case.get("alone", True):
        assert len(words) == 1, words


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_the_lint_never_breaks_on_bytes(data: bytes) -> None:
    assert lint(data)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_the_lint_never_breaks_on_a_cut_or_changed_file(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(good_files())))
    good, image = good_files()[name]
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 200)))
    lint(good[:start] + data.draw(st.binary(max_size=20)) + good[end:], image=image)


def test_a_file_that_eats_memory_is_refused_at_once() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><unattend>&c;</unattend>'
    assert [finding.message for finding in lint(bomb)] == ["an answer file has no DOCTYPE"]


def test_a_byte_order_mark_and_utf16_are_fine() -> None:
    data, image = good_files()[CLASSIC]
    assert lint(b"\xef\xbb\xbf" + data, image=image) == []
    text = data.decode().replace('encoding="utf-8"', 'encoding="utf-16"')
    assert lint(text.encode("utf-16"), image=image) == []


def test_the_outlines_name_known_passes_and_kinds() -> None:
    def walk(setting: Setting) -> None:
        for child in setting.children.values():
            # A setting has a kind or children, never both.
            assert bool(child.kind) != bool(child.children), child.name
            word = child.kind.partition(":")[0]
            assert not word or word in _CHECKS or "|" in word, child.kind
            walk(child)

    assert len(known()) >= 20
    for component in known().values():
        for name, root in component.passes.items():
            assert name in PASSES
            walk(root)
