"""Links between pages lead somewhere, anchors included."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import REFERENCE, ROOT, generator, pages, prose

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def _anchors_of(text: str) -> set[str]:
    found = set()
    for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", title).strip().lower()
        found.add(re.sub(r"[-\s]+", "-", plain))
    return found


@cache
def _anchors(path: Path) -> frozenset[str]:
    if path.parent == REFERENCE:
        return frozenset(_anchors_of(generator().PAGES[path.name]()))
    return frozenset(_anchors_of(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    for target in _LINK.findall(prose(page)):
        name, _, anchor = target.partition("#")
        if name.startswith("https://"):
            continue
        assert not name.startswith(("http:", "/")), f"{page.name}: {target}"
        path = (page.parent / name).resolve() if name else page
        made = {*generator().PAGES, "stack.schema.json"}
        assert path.exists() or (path.parent == REFERENCE and path.name in made), f"{page.name}: {target}"
        if anchor:
            assert anchor in _anchors(path), f"{page.name}: {target}: no such heading"


def test_links_between_generated_pages_resolve() -> None:
    for name, make in generator().PAGES.items():
        text = make()
        for target in _LINK.findall(text):
            file, _, anchor = target.partition("#")
            if file:
                assert (REFERENCE / file).resolve().exists() or file in generator().PAGES or file.endswith(".json")
            if anchor and not file:
                assert anchor in _anchors_of(text), f"{name}: {target}"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "adr"
    index = (folder / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d+)\. ([^\]]+)\]\(([^)]+)\) \| (\S+) \|$", index, re.MULTILINE)
    assert {file for _, _, file, _ in listed} == {path.name for path in folder.glob("[0-9]*.md")}
    for number, title, file, date in listed:
        text = (folder / file).read_text(encoding="utf-8")
        assert file.startswith(f"{int(number):04d}-")
        assert text.startswith(f"# {title}\n"), f"{file}: the index calls it {title!r}"
        assert f"Date: {date}." in text, file
        for heading in ("Context", "Decision", "Consequences", "Common mistakes"):
            assert f"\n## {heading}\n" in text, f"{file} has no section {heading}"


def test_every_page_is_in_the_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"([\w/-]+\.md)$", text, re.MULTILINE))
    written = {str(page.relative_to(ROOT / "docs")) for page in pages() if (ROOT / "docs") in page.parents}
    shown = {name for name in written if not name.startswith("adr/0")}
    assert shown | {f"reference/{name}" for name in generator().PAGES} == named
