"""Explanations of machines whose answer is known, and how often they are right."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path

import pytest
import yaml

from pvekit.inference.explain import explain, pages
from pvekit.inference.explain.judge import modules
from pvekit.inference.explain.weighed import Side
from pvekit.inference.explanation import Explanation, Overall, Stance
from tests.conftest import Figure
from tests.inference_explain import simulate
from tests.inference_explain.scenario import Scenario, scenarios

ALL = scenarios()
ids = [one.file for one in ALL]


@pytest.mark.parametrize("one", ALL, ids=ids)
def test_what_a_scenario_asks(one: Scenario) -> None:
    found = explain(one.observed)
    ranked = [each.id for each in found.ranked]
    stances = {each.id: each.stance for each in found.ranked}
    assert str(found.overall) in one.overall, found.summary
    assert not [each for each in one.not_confident if stances.get(each) is Stance.CONFIRMED]
    assert not [each for each in one.refuted if stances.get(each) is not Stance.REFUTED]
    for count, wanted in one.among.items():
        assert set(wanted) <= set(ranked[:count]), ranked
    for count, unwanted in one.not_among.items():
        assert not set(unwanted) & set(ranked[:count]), ranked
    if one.experiment is not None:
        assert found.experiment is not None
        assert found.experiment.id == one.experiment
        assert found.experiment.minutes <= 3
    if one.note is not None:
        assert any(one.note in note for note in found.notes), found.notes


def confidently_wrong(one: Scenario, found: Explanation) -> str:
    """Return what was asserted and is not so; empty for nothing."""
    wrong = [each.id for each in found.ranked if each.stance is Stance.CONFIRMED and each.id not in one.top]
    if wrong:
        return f"confirmed {', '.join(wrong)}"
    if found.overall is Overall.AT_LIMIT and str(Overall.AT_LIMIT) not in one.overall:
        return "at its limit"
    if found.overall is Overall.CONFIRMED and one.healthy:
        return "explained"
    return ""


def test_how_often_it_is_right(figure: Figure) -> None:
    answers = [(one, explain(one.observed)) for one in ALL]
    first = [one for one, found in answers if found.ranked[0].id in one.top]
    second = [one for one, found in answers if {each.id for each in found.ranked[:2]} & set(one.top)]
    wrong = {one.file: why for one, found in answers if (why := confidently_wrong(one, found))}
    bases = Counter(one.basis for one in ALL)
    figure(
        f"{len(ALL)} scenarios ({', '.join(f'{count} {basis}' for basis, count in sorted(bases.items()))}): top-1 "
        f"{len(first)} ({len(first) / len(ALL):.0%}), top-2 {len(second)} ({len(second) / len(ALL):.0%}), "
        f"confidently wrong {len(wrong)}"
    )
    assert len(ALL) >= 34
    assert not wrong
    assert len(first) >= 0.8 * len(ALL)
    assert len(second) >= 0.95 * len(ALL)


def test_every_hypothesis_has_a_page_a_prior_and_a_scenario() -> None:
    asked = {each for one in ALL for each in (*one.top, *one.refuted)}
    for name, module in modules().items():
        page = pages()[name]
        assert len(page.splitlines()) > 2, f"{name}: a page, not a line"
        assert 0 < module.PRIOR <= 1, name
        assert isinstance(module.SIDE, Side), name
        assert isinstance(module.TITLE, str), name
        assert module.REMEDY.endswith((".", "run", "PERFORMANCE")), name
        assert inspect.getdoc(module.judge), name
        assert name in asked, f"{name}: no scenario asks for it"


def test_no_hypothesis_is_named_that_is_not_there() -> None:
    known = {*modules(), "something_else"}
    for one in ALL:
        named = {*one.top, *one.refuted, *one.not_confident, *(each for ids in one.among.values() for each in ids)}
        assert named <= known, one.file


def test_the_simulated_files_are_what_the_script_makes() -> None:
    texts = simulate.made()
    assert {path.stem for path in simulate.FOLDER.glob("*.yaml")} == set(texts)
    for name, text in texts.items():
        path: Path = simulate.FOLDER / f"{name}.yaml"
        assert yaml.safe_load(path.read_text(encoding="utf-8")) == yaml.safe_load(simulate.dump(text)), name
