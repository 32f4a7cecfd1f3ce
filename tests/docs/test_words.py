"""The pages speak plainly, and of this project only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

_EMPTY = (
    *("simply", "just", "obviously", "easily done", "seamless", "seamlessly", "blazing", "robust", "powerful"),
    *("leverage", "leverages", "utilize", "cutting-edge", "state-of-the-art", "world-class", "effortless"),
)
"""Words that say nothing or tell the reader how to feel."""
_UNFINISHED = ("TODO", "FIXME", "XXX", "TBD", "lorem", "coming soon", "placeholder")
_INSIDE = (r"\.\./shared", r"\bissue \d", r"(?<![\w&])#\d+\b", r"\bsub-?agent", r"\bprompt\b")
"""What belongs to how the project is made, and not to what it is."""
_PLACES = {
    *("etc", "var", "dev", "usr", "run", "proc", "home", "srv", "boot", "sys", "lib"),  # of a Linux system
    *("cluster", "nodes", "pool", "pending", "sdn", "storage", "vms", "access"),  # of the PVE API
}


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_plain_and_finished(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for word in _EMPTY:
        assert not re.search(rf"\b{word}\b", text, re.IGNORECASE), f"{page.name}: {word}"
    for word in _UNFINISHED:
        assert word not in text, f"{page.name}: {word}"
    for pattern in _INSIDE:
        assert not re.search(pattern, text, re.IGNORECASE), f"{page.name}: {pattern}"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_paths_that_people_have(page: Path) -> None:
    text = re.sub(r"https?://\S+", "", page.read_text(encoding="utf-8"))
    found = set(re.findall(r"(?<![\w.~/}$@*)>`|-])/([a-z][a-z0-9_]*)(?=/)", text))
    assert found <= _PLACES, f"{page.name}: {sorted(found - _PLACES)}"


def test_the_changelog_keeps_its_form() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", each) for each in headings[1:])
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
