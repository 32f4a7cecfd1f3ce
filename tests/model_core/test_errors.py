"""Exit codes: the tree in the docstring is the truth."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from pvekit.model import errors
from pvekit.model.errors import ApiError, FingerprintMismatch, Problem, PvekitError, StackInvalid

LINE = re.compile(r"^ {4}(?P<bars>[│├└─ ]*)(?P<name>[A-Z]\w+) +(?P<code>\d+) {2,}(?P<what>\S.*)$")


def tree() -> dict[str, tuple[str | None, int]]:
    """Return parent and code of every class that the docstring names."""
    found: dict[str, tuple[str | None, int]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = LINE.match(line)
        if match:
            depth = len(match["bars"]) // 4
            above = [*above[:depth], match["name"]]
            found[match["name"]] = (above[depth - 1] if depth else None, int(match["code"]))
    return found


def classes() -> dict[str, type[PvekitError]]:
    found = inspect.getmembers(errors, inspect.isclass)
    return {name: item for name, item in found if issubclass(item, PvekitError)}


def test_the_tree_names_every_class_and_no_other() -> None:
    assert tree().keys() == classes().keys()
    assert len(tree()) > 15


@pytest.mark.parametrize("name", sorted(tree()))
def test_code_and_parent(name: str) -> None:
    parent, code = tree()[name]
    item = classes()[name]
    assert item.code == code
    assert item.__bases__ == ((classes()[parent],) if parent else (Exception,))


def test_no_code_means_something_else() -> None:
    """2 is "there are changes", 64 wrong usage, 0 success; shells use 126 and above for their own."""
    codes = {item.code for item in classes().values()}
    assert not codes & {0, 2, 64}
    assert all(0 < code < 126 or code == 130 for code in codes)


@pytest.mark.parametrize("name", sorted(classes()))
def test_every_error_says_what_where_and_next(name: str) -> None:
    error = make(classes()[name])
    assert str(error)
    assert error.message
    assert isinstance(error.where, str)
    assert isinstance(error.hint, str)


def make(item: type[PvekitError]) -> PvekitError:
    if issubclass(item, StackInvalid):
        return item([Problem("f", 1, 2, "a.b", "wrong.", "Write c.")])
    if issubclass(item, FingerprintMismatch):
        return item("https://a:8006", ["AA"], "BB")
    if issubclass(item, errors.PreflightRefused):
        return item(["one", "two"])
    more: dict[str, Any] = {"status": 500} if issubclass(item, ApiError) else {}
    return item("what", where="where", hint="next", **more)


def test_where_stands_before_what() -> None:
    assert str(PvekitError("it is late", where="web: start", hint="Go to bed.")) == "web: start: it is late"
    assert str(PvekitError("it is late")) == "it is late"


def test_all_reasons_and_mistakes_are_kept() -> None:
    assert str(errors.PreflightRefused(["a", "b"])) == "a\nb"
    assert errors.PreflightRefused(["a", "b"]).reasons == ("a", "b")
    problem = Problem("f", 1, 2, "a", "x.")
    assert str(StackInvalid([problem])) == "1 mistake in the stack file"
    assert str(StackInvalid([problem, problem])) == "2 mistakes in the stack file"


def test_both_fingerprints_are_shown() -> None:
    error = FingerprintMismatch("https://a:8006", ["AA:BB", "CC:DD"], "EE:FF")
    assert all(part in str(error) for part in ("https://a:8006", "AA:BB, CC:DD", "EE:FF"))
    assert "pvenode cert info" in error.hint


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("f.yaml", 3, 7, "vms.web", "it is wrong.", "Write x."), "f.yaml:3:7: vms.web: it is wrong. Write x."),
        (Problem("f.yaml", 3, 7, "", "it is wrong."), "f.yaml:3:7: it is wrong."),
        (Problem("f.yaml", 0, 0, "", "it is wrong."), "f.yaml: it is wrong."),
    ],
)
def test_a_mistake_is_one_line(problem: Problem, text: str) -> None:
    assert str(problem) == text
