"""Every case of ``cases/``: text of one kind or of several, and what must be read from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvekit.inference.observed import Observed, Run
from pvekit.inference.reports import read

CASES = Path(__file__).parent / "cases"


def _cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        for case in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield pytest.param(case, id=f"{path.stem}-{case['name'].replace(' ', '-')}")


def _value(observed: Observed, dotted: str) -> object:
    value: Any = observed
    for part in dotted.split("."):
        if isinstance(value, Mapping):
            value = part in value
        else:
            value = dict(enumerate(value)).get(int(part)) if part.isdigit() else getattr(value, part, None)
    return str(value) if hasattr(value, "__str__") and type(value).__module__.startswith("pvekit") else value


def _fits(run: Run, wanted: dict[str, Any]) -> bool:
    for key, value in wanted.items():
        got = getattr(run, key)
        if isinstance(value, float) or (key == "rate" and got is not None):
            if got is None or abs(got - value) > 0.01 * abs(value):
                return False
        elif got != value:
            return False
    return True


@pytest.mark.parametrize("case", list(_cases()))
def test_case(case: dict[str, Any]) -> None:
    """A case says all runs that are there, and the facts that matter; ``null`` says that a fact must not be there."""
    observed = read(case["files"])
    expect = dict(case["expect"])
    runs = expect.pop("runs", None)
    if runs is not None:
        told = [(run.phase, round(run.rate, 3), run.threads, run.gpu_layers, run.model) for run in observed.runs]
        assert len(observed.runs) == len(runs), told
        for run, wanted in zip(observed.runs, runs, strict=True):
            assert _fits(run, wanted), (wanted, run)
    for text in expect.pop("errors", []):
        assert any(text in error.text for error in observed.errors), observed.errors
    for text in expect.pop("notes", []):
        assert any(text in note for note in observed.notes), observed.notes
    for dotted, value in expect.items():
        got = _value(observed, dotted)
        if isinstance(value, float):
            assert isinstance(got, (int, float)), (dotted, got)
            assert abs(got - value) <= 0.02 * abs(value), (dotted, got)
        else:
            assert got == value, (dotted, got)
    for dotted, seen in observed.where.items():
        text = case["files"].get(seen.file)
        assert text is not None, (dotted, seen)
        assert 0 <= seen.line <= text.count("\n") + 1, (dotted, seen)
