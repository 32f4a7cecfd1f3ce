"""YAML text to plain values, with the place of every key and value.

PyYAML reads YAML 1.1, where ``on``, ``no``, ``010`` and ``12:30`` become something else than what was written.
Here only ``true`` and ``false`` are booleans, numbers are decimal, and everything else stays text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from pvekit.model.errors import Problem

Path = tuple[str | int, ...]

MAX_NODES = 100_000
_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_OLD_BOOL = re.compile(r"(?i)y|n|yes|no|on|off")
_YAML = "tag:yaml.org,2002:"
_TAGS = {_YAML + name for name in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")}


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a file; ``line`` and ``column`` count from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """A YAML file as plain values, and where each came from.

    ``keys`` and ``values`` hold the place of the key and of the value under a path. ``old_booleans`` are paths
    whose value was written as a bare ``yes``, ``no``, ``on`` or ``off``: text here, a boolean in YAML 1.1. ``cut`` are
    paths whose value was wrong and is not looked at any more.
    """

    file: str
    data: object = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    old_booleans: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    cut: set[Path] = field(default_factory=set)

    def problem(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> Problem:
        """Return a Problem at that path, or at the nearest parent that stands in the file."""
        while path and isinstance(path[-1], int) and path not in self.values:
            path = path[:-1]  # one value was written where a list may stand
        place = self._place(path, at_key=at_key)
        return Problem(self.file, place.line, place.column, dotted(path), f"{message}.", hint)

    def was_cut(self, *paths: Path) -> bool:
        """Return whether one of the values, something in it, or what it stands in was wrong."""
        return any(cut[: len(path)] == path or path[: len(cut)] == cut for path in paths for cut in self.cut)

    def _place(self, path: Path, *, at_key: bool) -> Place:
        if not at_key and path in self.values:
            return self.values[path]
        for length in range(len(path), 0, -1):
            place = self.keys.get(path[:length]) or self.values.get(path[:length])
            if place:
                return place
        return self.values.get((), Place(1, 1))


def dotted(path: Path) -> str:
    """Return ``vms.web.disks[0].size`` for a path."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(text: str, file: str) -> Document:
    """Return the document; its ``problems`` hold what is wrong with the YAML itself."""
    document = Document(file)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax_problem(file, error))
        return document
    except yaml.reader.ReaderError as error:
        place = _place_of_offset(text, error.position)
        message = f"a character that YAML does not allow: {chr(error.character)!r}."
        document.problems.append(Problem(file, place.line, place.column, "", message, "Remove it."))
        return document
    if root is not None:
        document.data = _Reader(document).value(root, ())
    return document


def _syntax_problem(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
    message = f"this is not valid YAML: {error.problem or error.context}."
    hint = "Check the indentation (spaces only) and the quotes of this line and the one before."
    if "\\t" in message:
        hint = "Indent with spaces, not with tabs."
    return Problem(file, place.line, place.column, "", message, hint)


def _place_of_offset(text: str, offset: int) -> Place:
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


class _Reader:
    """Turns nodes into values and notes their places."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.open: set[int] = set()
        self.count = 0

    def value(self, node: yaml.Node, path: Path) -> object:
        mark = node.start_mark
        self.document.values[path] = Place(mark.line + 1, mark.column + 1)
        self.count += 1
        if self.count > MAX_NODES:
            if self.count == MAX_NODES + 1:
                self.note(path, "the file unfolds to too many values", "Use fewer aliases (*name).")
            return None
        if node.tag not in _TAGS:
            shown = node.tag.replace(_YAML, "!!")
            self.note(path, f"the tag {shown} is not known here", "Remove the tag.")
            return None
        if id(node) in self.open:
            self.note(path, "this alias contains itself", "Remove the alias.")
            return None
        self.open.add(id(node))
        try:
            return self.branch(node, path)
        finally:
            self.open.discard(id(node))

    def branch(self, node: yaml.Node, path: Path) -> object:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 -- the three node types of YAML
        return self.scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, object]:
        result: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.note(path, "a key is a list or a mapping", "Keys are plain words.")
                continue
            key = str(key_node.value)
            here = (*path, key)
            place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key in result:
                first = self.document.keys[here]
                message = f"the key {key!r} appears twice; the first one is in line {first.line}."
                problem = Problem(self.document.file, place.line, place.column, dotted(here), message, "Remove one.")
                self.document.problems.append(problem)
                continue
            self.document.keys[here] = place
            result[key] = self.value(value_node, here)
        return result

    def scalar(self, node: yaml.ScalarNode, path: Path) -> object:
        text = str(node.value)
        if node.style is not None:
            return text
        if _OLD_BOOL.fullmatch(text):
            self.document.old_booleans.add(path)
        return plain(text)

    def note(self, path: Path, message: str, hint: str) -> None:
        self.document.problems.append(self.document.problem(path, message, hint))


def plain(text: str) -> object:
    """Return what an unquoted scalar means."""
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text) if len(text) < 20 else text
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def walk(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield every value under ``value`` with its path, the value itself first."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))
