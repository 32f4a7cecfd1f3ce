"""One file per fact: its type, and ``read``, which makes it from the bundle or from other facts.

Being in the folder is the registration. ``read`` names what it needs by the types of its parameters; so do checks.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pvekit.model.bundle import Bundle
from pvekit.model.missing import Missing
from pvekit.passthrough.asked import Asked

T = TypeVar("T")


@cache
def needs_of(function: Callable[..., Any]) -> tuple[tuple[str, type, bool], ...]:
    """Return name, type and whether it may be Missing, of every fact that a function asks for."""
    found = []
    for name in function.__annotations__:
        if name == "return":
            continue
        wanted = _kinds(function, name)
        (fact,) = (kind for kind in wanted if kind is not Missing)
        found.append((name, fact, Missing in wanted))
    return tuple(found)


def _kinds(function: Callable[..., Any], name: str) -> tuple[type, ...]:
    """Return the types that one annotation names. ``get_type_hints`` knows all forms and takes ten times as long."""
    hint = function.__annotations__[name]
    known = getattr(function, "__globals__", {})
    parts = hint.split(" | ") if isinstance(hint, str) else ()
    if parts and all(part in known for part in parts):
        return tuple(known[part] for part in parts)
    whole: Any = get_type_hints(function)[name]
    return get_args(whole) if get_origin(whole) in (Union, UnionType) else (whole,)


@cache
def _readers() -> dict[type, Callable[..., Any]]:
    """Return the function that reads each type of fact."""
    found: dict[type, Callable[..., Any]] = {}
    for item in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        module = importlib.import_module(f"{__name__}.{item.name}")
        (kind,) = (kind for kind in _kinds(module.read, "return") if kind is not Missing)
        if kind in found:
            raise TypeError(f"two readers of {kind.__name__}: {found[kind].__module__} and {module.__name__}")
        found[kind] = module.read
    return found


class Facts:
    """The facts of one bundle. Each is read when it is first asked for, and once."""

    def __init__(self, bundle: Bundle, *given: object) -> None:
        """Keep the bundle. ``given`` are facts that the caller knows already, such as what the person asked."""
        self._known: dict[type, Any] = {Bundle: bundle, Asked: Asked(), **{type(fact): fact for fact in given}}
        self._given = dict(self._known)

    def but(self, *given: object) -> Facts:
        """Return the facts of the same bundle as they would be with these."""
        known = {**self._given, **{type(fact): fact for fact in given}}
        return Facts(known.pop(Bundle), *known.values())

    def get(self, kind: type[T]) -> T | Missing:
        """Return a fact, or why there is none."""
        if kind not in self._known:
            read = _readers()[kind]
            self._known[kind] = Missing(kind.__name__, "asks for itself")
            self._known[kind] = self.call(read)
        found: T | Missing = self._known[kind]
        return found

    def call(self, function: Callable[..., T | Missing]) -> T | Missing:
        """Call a function with the facts that it names. One that it needs and that is Missing is the result."""
        wanted: dict[str, Any] = {}
        for name, kind, optional in needs_of(function):
            value = self.get(kind)
            if isinstance(value, Missing) and not optional:
                return value
            wanted[name] = value
        return function(**wanted)
