"""The score of the lint: single mistakes found, beside what a schema of the frame finds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from benchmarks.answer_lint import ENVELOPE, by_lint, by_schema
from pvekit.model.answer import lint
from tests.answer.mutations import COUNT, FAMILIES, SEED, mutations


def test_at_least_95_of_100_mistakes_are_found() -> None:
    made = mutations()
    assert len(made) == COUNT == 200
    assert len({each.data for each in made}) == COUNT
    assert {each.family for each in made} == set(FAMILIES)
    missed = [each for each in made if not by_lint(each)]
    assert len(missed) <= COUNT * 0.05, Counter(each.family for each in missed)


def test_the_schema_finds_far_fewer() -> None:
    schema = etree.XMLSchema(etree.parse(ENVELOPE))
    found = sum(by_schema(schema, each.data) for each in mutations())
    assert found < COUNT * 0.25


def test_the_mistakes_are_the_same_at_every_run() -> None:
    assert [each.data for each in mutations(50)] == [each.data for each in mutations(50)]
    assert [each.data for each in mutations(50)] != [each.data for each in mutations(50, SEED + 1)]


@pytest.mark.slow
def test_other_mistakes_of_the_same_families_are_found_as_well() -> None:
    made = mutations(1000, SEED + 1)
    missed = [each for each in made if not by_lint(each)]
    assert len(missed) <= len(made) * 0.05, Counter(each.family for each in missed)


def test_every_finding_has_a_line_and_words() -> None:
    for each in mutations():
        for finding in lint(each.data, image=each.image):
            assert finding.message
            assert finding.line >= 1
            assert str(finding).startswith(f"line {finding.line}: ")


def test_a_finding_never_shows_a_password_or_key() -> None:
    for each in mutations():
        for finding in lint(each.data, image=each.image):
            assert "correct horse" not in str(finding)
            assert "VK7JG" not in str(finding)


def test_the_schema_says_nothing_that_is_not_ours() -> None:
    assert "xs:annotation" not in Path(ENVELOPE).read_text()
