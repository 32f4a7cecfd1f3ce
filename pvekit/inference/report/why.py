"""An explanation on its way to a page that is passed on: the same, with every text scrubbed."""

from __future__ import annotations

from dataclasses import replace

from pvekit.inference.explanation import Evidence, Experiment, Explanation, Judgement
from pvekit.inference.report.scrub import Scrub


def scrubbed(found: Explanation, scrub: Scrub) -> Explanation:
    """Return an explanation whose every text went through ``scrub``."""
    return replace(
        found,
        summary=scrub(found.summary),
        ranked=tuple(_judgement(each, scrub) for each in found.ranked),
        experiment=None if found.experiment is None else _experiment(found.experiment, scrub),
        notes=tuple(scrub(note) for note in found.notes),
    )


def _judgement(found: Judgement, scrub: Scrub) -> Judgement:
    return replace(
        found,
        title=scrub(found.title),
        evidence=tuple(Evidence(scrub(each.text), each.weight) for each in found.evidence),
        remedy=scrub(found.remedy),
        lacking=tuple(scrub(each) for each in found.lacking),
    )


def _experiment(found: Experiment, scrub: Scrub) -> Experiment:
    return replace(
        found,
        title=scrub(found.title),
        commands=tuple(scrub(each) for each in found.commands),
        outcomes=tuple(scrub(each) for each in found.outcomes),
    )
