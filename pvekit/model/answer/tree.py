"""Reads an answer file into a tree that knows its lines. No entities, no DTD: Setup knows none, and they are a trap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

UNATTEND = "urn:schemas-microsoft-com:unattend"
WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
_SEPARATOR = "\n"


@dataclass(slots=True)
class Node:
    """An element. ``space`` is its namespace; ``attributes`` are by name, those of a namespace as ``{space}name``."""

    name: str
    space: str
    line: int
    attributes: dict[str, str]
    children: list[Node] = field(default_factory=list)
    text: str = ""
    parent: Node | None = None

    @property
    def value(self) -> str:
        """Return the text without the white space around it."""
        return self.text.strip()

    @property
    def path(self) -> str:
        """Return the element's place, with pass and component by their names."""
        label = self.attributes.get("pass") or self.attributes.get("name") if self._is_frame() else None
        own = label or self.name
        return f"{self.parent.path}/{own}" if self.parent is not None else own

    def _is_frame(self) -> bool:
        return self.name in ("settings", "component")

    def child(self, name: str) -> Node | None:
        """Return the first child of that name, or None."""
        return next((node for node in self.children if node.name == name), None)

    def find(self, path: str) -> Node | None:
        """Return the first element below, by names with slashes between, or None."""
        found: Node | None = self
        for name in path.split("/"):
            found = found.child(name) if found is not None else None
        return found

    def walk(self) -> Iterator[Node]:
        """Yield the element and everything below it, in file order."""
        yield self
        for node in self.children:
            yield from node.walk()


class Unreadable(ValueError):
    """The file is no well-formed XML; ``line`` counts from 1."""

    def __init__(self, line: int, why: str) -> None:
        """Keep where and why."""
        super().__init__(why)
        self.line = line


def read(data: bytes) -> Node:
    """Return the root element. Unreadable says where and why not."""
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    open_nodes: list[Node] = []
    roots: list[Node] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(_SEPARATOR)
        named = {_attribute(key): value for key, value in attributes.items()}
        above = open_nodes[-1] if open_nodes else None
        node = Node(local, space, parser.CurrentLineNumber, named, parent=above)
        (above.children if above is not None else roots).append(node)
        open_nodes.append(node)

    def end(_name: str) -> None:
        open_nodes.pop()

    def text(data_: str) -> None:
        open_nodes[-1].text += data_

    def doctype(*_parts: object) -> None:
        raise Unreadable(parser.CurrentLineNumber, "an answer file has no DOCTYPE")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise Unreadable(error.lineno, f"no well-formed XML: {expat.ErrorString(error.code)}") from None
    except LookupError:
        raise Unreadable(1, "an encoding that nobody knows") from None
    return roots[0]


def _attribute(name: str) -> str:
    space, _, local = name.rpartition(_SEPARATOR)
    return f"{{{space}}}{local}" if space else local
