"""One file per check, named by its id. Being in the folder is the registration.

A check is a function that names the facts it needs by type. Without one of them the answer is UNKNOWN; a parameter
``Fact | Missing`` is one that the check can do without. The page is the module's docstring.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from pvekit.model.finding import Layer
from pvekit.model.missing import Missing
from pvekit.passthrough.outcome import Outcome

Rule = Callable[..., Outcome | Missing | None]


@dataclass(frozen=True, slots=True)
class Check:
    """What is known about a check besides its rule.

    ``follows`` are the ids of causes whose failure explains a failure of this one, whatever the layers say.
    ``sources`` are where the facts on the page come from. ``page`` is the text of ``explain``, in Markdown.
    """

    id: str
    title: str
    layer: Layer
    rule: Rule
    sources: tuple[str, ...]
    page: str
    follows: tuple[str, ...] = ()


@cache
def all_checks() -> tuple[Check, ...]:
    """Return every check, by layer and then by id."""
    found = []
    for item in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{item.name}")
        found.append(
            Check(
                id=item.name.upper().replace("_", "-"),
                title=module.TITLE,
                layer=module.LAYER,
                rule=module.check,
                sources=tuple(module.SOURCES),
                page=(module.__doc__ or "").strip(),
                follows=tuple(getattr(module, "FOLLOWS", ())),
            )
        )
    return tuple(sorted(found, key=lambda check: (check.layer.rank, check.id)))
