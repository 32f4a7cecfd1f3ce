"""Fields of a YAML text that remember their line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import yaml

from pvekit.model.errors import Problem

_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40, "MB": 10**6, "GB": 10**9, "TB": 10**12,
          "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([A-Za-z]*)")
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands, lines and columns from 1."""

    value: Any
    line: int
    column: int

    @property
    def plain(self) -> bool:
        """Return whether it is neither a list nor a mapping."""
        return not isinstance(self.value, (dict, list))


def lined(text: str) -> Node:
    """Return a YAML text as nodes. Raises yaml.YAMLError."""
    found = yaml.compose(text, Loader=yaml.SafeLoader)
    return Node({}, 1, 1) if found is None else _node(found, yaml.SafeLoader(""), 0)


def _node(at: yaml.Node, loader: yaml.SafeLoader, depth: int) -> Node:
    line, column = at.start_mark.line + 1, at.start_mark.column + 1
    if depth > 20:
        raise yaml.YAMLError("it is nested too deeply")
    if isinstance(at, yaml.MappingNode):
        pairs = ((loader.construct_object(key), _node(value, loader, depth + 1)) for key, value in at.value)
        return Node({str(key): value for key, value in pairs}, line, column)
    if isinstance(at, yaml.SequenceNode):
        return Node([_node(each, loader, depth + 1) for each in at.value], line, column)
    return Node(loader.construct_object(at), line, column)


class Fields:
    """Takes fields out of a mapping, noting every mistake instead of stopping at the first."""

    def __init__(self, node: Node, where: str, problems: list[Problem], path: str) -> None:
        """Look at ``node``, which stands in the file ``where`` under ``path``."""
        self.where, self.problems, self.path, self._node = where, problems, path, node
        self._taken: set[str] = set()
        self._values: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
        if not isinstance(node.value, dict):
            self.wrong(node, path, "fields are expected here.", "Write name: value, one a line.")

    def wrong(self, node: Node | None, path: str, message: str, hint: str = "") -> None:
        """Note a mistake."""
        at = node or self._node
        self.problems.append(Problem(self.where, at.line, at.column, path, message, hint))

    def node_of(self, name: str) -> Node | None:
        """Return a field's node."""
        return self._values.get(name)

    def get(self, name: str) -> Node | None:
        """Return a field's node and count it as known; None where it is absent or empty."""
        self._taken.add(name)
        found = self._values.get(name)
        return None if found is None or found.value is None else found

    def text(self, name: str) -> str | None:
        """Return a text."""
        found = self.get(name)
        if found is None:
            return None
        if not found.plain:
            self.wrong(found, self._at(name), "a text is expected.")
            return None
        return str(found.value)

    def number(self, name: str) -> float | None:
        """Return a number above 0."""
        found = self.get(name)
        if found is None:
            return None
        value = found.value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e15:
            self.wrong(found, self._at(name), f"{value!r} is not a number above 0." if found.plain else "a number.")
            return None
        return float(value)

    def count(self, name: str) -> int | None:
        """Return a whole number above 0."""
        value = self.number(name)
        if value is not None and value != int(value):
            self.wrong(self.node_of(name), self._at(name), f"{value} is not a whole number.")
            return None
        return None if value is None else int(value)

    def size(self, name: str) -> int | None:
        """Return bytes from a number with a unit, such as 16 GiB."""
        found = self.get(name)
        if found is None:
            return None
        match = _SIZE.fullmatch(str(found.value).strip()) if found.plain else None
        if match is None or match[2].upper() not in _UNITS or float(match[1]) <= 0:
            self.wrong(found, self._at(name), "a size is expected.", "Write it like 16 GiB.")
            return None
        return int(float(match[1]) * _UNITS[match[2].upper()])

    def choice(self, name: str, kind: type[Choice]) -> Choice | None:
        """Return one of a set of words."""
        word = self.text(name)
        if word is None:
            return None
        try:
            return kind(word)
        except ValueError:
            self.wrong(self.node_of(name), self._at(name), f"{word} is none of {', '.join(kind)}.")
            return None

    def list(self, name: str) -> list[Node]:
        """Return the entries of a list; a single value counts as a list of one."""
        found = self.get(name)
        if found is None:
            return []
        return found.value if isinstance(found.value, list) else [found]

    def close(self) -> None:
        """Note every field that nobody took."""
        for name, node in self._values.items():
            if name not in self._taken:
                known = ", ".join(sorted(self._taken))
                self.wrong(node, self._at(name), "this field is not known.", f"Known: {known}.")

    def _at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name
