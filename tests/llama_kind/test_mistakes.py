"""Mistakes in ``kind: llama``, each with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from pvekit.model.errors import StackInvalid
from pvekit.model.stack import load

CASES = Path(__file__).parent / "cases" / "mistakes"
KINDS = frozenset({"debian", "llama"})


class Files:
    """One model."""

    def read(self, path: str) -> str:
        raise FileNotFoundError(2, "No such file or directory", path)

    def locate(self, path: str) -> str:
        if path != "a.gguf":
            raise FileNotFoundError(2, "No such file or directory", path)
        return "/there/a.gguf"


def mistakes(text: str) -> list[str]:
    try:
        load(text, "stack.yaml", KINDS, Files())
    except StackInvalid as error:
        return [str(problem) for problem in error.problems]
    return []


@pytest.mark.parametrize("path", sorted(CASES.glob("*.yaml")), ids=lambda path: path.stem)
def test_mistakes(path: Path) -> None:
    """Below the line of dashes stands what is wrong, one problem a line."""
    text, _, expected = path.read_text().partition("\n# -----\n")
    assert mistakes(text) == [line[2:] for line in expected.splitlines()]


def test_a_file_that_is_not_there() -> None:
    text = "pvekit: 1\nname: home\nhost: lab\nvms: {a: {kind: llama, llama: {model: {file: b.gguf}}}}\n"
    (found,) = mistakes(text)
    assert found.startswith("stack.yaml:4:")
    assert "cannot use b.gguf: no such file or directory" in found
