"""The pages that people read, cut into blocks."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page. ``line`` is that of its first line, counted from 1."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def id(self) -> str:
        """Return page and line, as pytest and editors show it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """Return the pages that are written by hand."""
    own = [path for path in DOCS.rglob("*.md") if path.parent != REFERENCE]
    return sorted([*ROOT.glob("*.md"), *own])


def blocks(*languages: str) -> Iterator[Block]:
    """Yield the fenced blocks in these languages, of all pages."""
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for found in _FENCE.finditer(text):
            if found["language"] in languages:
                line = text.count("\n", 0, found.start("text")) + 1
                yield Block(page, line, found["language"], found["text"])


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def recording(name: str) -> list[str]:
    """Return the lines of a recorded block of the README, its fences and its command left out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- recorded: {name} -->\n```console\n\$ [^\n]*\n(.*?)```", text, re.DOTALL)
    assert found is not None, f"the README has no recording {name}"
    return found[1].splitlines()


def generator() -> ModuleType:
    """Return docs/generate.py as a module; it is a program, not part of a package."""
    name = "pvekit_docs_generate"
    if name not in sys.modules:
        spec = spec_from_file_location(name, DOCS / "generate.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
