"""Turns the outlines of ``components.py`` into tables that the lint can ask."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from pvekit.model.answer import components


@dataclass(slots=True)
class Setting:
    """What may stand in an element. ``kind`` is empty for elements with children, else a word of ``kinds.py``.

    ``many`` marks the items of a list; ``needs`` are children without which Setup stops or asks.
    """

    name: str
    kind: str = ""
    many: bool = False
    needed: bool = False
    children: dict[str, Setting] = field(default_factory=dict)

    @property
    def needs(self) -> list[str]:
        """Return the names of the children that must be there."""
        return [child.name for child in self.children.values() if child.needed]


@dataclass(slots=True)
class Component:
    """One component: in which passes it may stand, and what it may hold in each."""

    name: str
    passes: dict[str, Setting] = field(default_factory=dict)


@cache
def known() -> dict[str, Component]:
    """Return all components by name."""
    found: dict[str, Component] = {}
    for text in components.OUTLINES:
        for name, passes, root in _read(text):
            component = found.setdefault(name, Component(name))
            for each in passes:
                # A component may have several outlines for one pass.
                there = component.passes.setdefault(each, Setting(name))
                there.children.update(root.children)
    return found


@cache
def homes() -> dict[str, tuple[str, ...]]:
    """Return for the name of every setting where it belongs, for hints."""
    found: dict[str, list[str]] = {}

    def walk(setting: Setting, place: str) -> None:
        for child in setting.children.values():
            places = found.setdefault(child.name, [])
            if place not in places:
                places.append(place)
            walk(child, f"{place}/{child.name}")

    for component in known().values():
        for name, root in component.passes.items():
            walk(root, f"{name}/{component.name}")
    return {name: tuple(places) for name, places in found.items()}


def _read(text: str) -> list[tuple[str, tuple[str, ...], Setting]]:
    """Read outlines: ``# COMPONENT: PASS PASS`` and below it one setting a line, deeper ones indented by two."""
    found: list[tuple[str, tuple[str, ...], Setting]] = []
    above: list[Setting] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if line.startswith("#"):
            name, _, passes = line[1:].partition(":")
            root = Setting(name.strip())
            found.append((name.strip(), tuple(passes.split()), root))
            above = [root]
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        word, *kind = line.split()
        setting = Setting(word.rstrip("*!"), kind[0] if kind else "", "*" in word, "!" in word)
        above = [*above[: depth + 1], setting]
        above[depth].children[setting.name] = setting
    return found
