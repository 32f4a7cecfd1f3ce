"""Which function answers which request.

A handler module registers its functions with ``@route``; ``load`` imports every module of the handler
packages, so that being in the folder is the registration.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from pvekit.lab import formats
from pvekit.lab.call import Call
from pvekit.lab.params import Param, integer, text

PACKAGES = ("access", "vm", "storage", "node", "cluster")
Check = Callable[[Call], None]

VMID = integer(check=formats.vmid, required=True)
NODE = text(required=True)
_PATH_PARAMS: dict[str, Param] = {"vmid": VMID, "node": NODE}


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: str
    template: str
    params: Mapping[str, Param]
    check: Check | None
    handler: Callable[[Call], Any]
    public: bool
    rule: Callable[[str], Param | None] | None

    def declared(self, names: Iterator[str] | list[str]) -> Mapping[str, Param]:
        """Return the declared parameters, those of the request's names that a rule allows included."""
        if self.rule is None:
            return self.params
        more = {name: param for name in names if (param := self.rule(name)) is not None}
        return {**more, **self.params}


_routes: list[tuple[re.Pattern[str], Route]] = []
_exact: dict[tuple[str, str], Route] = {}


def route(
    method: str,
    template: str,
    *,
    params: Mapping[str, Param] | None = None,
    check: Check | None = None,
    public: bool = False,
    rule: Callable[[str], Param | None] | None = None,
) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
    """Register the function for this path; ``{name}`` matches one segment, ``{name*}`` the rest.

    ``check`` raises Refused when the caller may not; without it any authenticated caller may, and the handler
    itself filters. ``rule`` allows further parameters by name.
    """

    def register(handler: Callable[[Call], Any]) -> Callable[[Call], Any]:
        names = re.findall(r"{(\w+)\*?}", template)
        declared = {name: _PATH_PARAMS.get(name, text(required=True)) for name in names}
        declared.update(params or {})
        entry = Route(method, template, declared, check, handler, public, rule)
        if not names:
            _exact[method, template] = entry
        pattern = re.sub(r"{(\w+)\*}", r"(?P<\1>.+)", template)
        pattern = re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", pattern)
        _routes.append((re.compile(pattern), entry))
        return handler

    return register


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """Return the route of a path (percent-encoding still in it) and what the path says."""
    exact = _exact.get((method, path))
    if exact is not None:
        return exact, {}
    for pattern, entry in _routes:
        if entry.method == method and (match := pattern.fullmatch(path)):
            return entry, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def routes() -> list[Route]:
    """Return every registered route."""
    load()
    return [entry for _pattern, entry in _routes]


def load() -> None:
    """Import every handler module."""
    if _loaded:
        return
    for package in PACKAGES:
        root = importlib.import_module(f"pvekit.lab.{package}")
        for module in pkgutil.iter_modules(root.__path__, root.__name__ + "."):
            importlib.import_module(module.name)
    _routes.sort(key=lambda pair: (pair[1].template.count("{"), "*}" in pair[1].template))
    _loaded.append(True)


_loaded: list[bool] = []
