"""The dotted names of facts (``guest.isa``, ``host.megatransfers``) and the types their values have."""

from __future__ import annotations

import dataclasses
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pvekit.inference.hardware import Isa
from pvekit.inference.observed import Guest, Host
from pvekit.inference.reports.found import Value


@cache
def types() -> dict[str, type]:
    """Return the type of every fact of a guest and a host."""
    found: dict[str, type] = {}
    for side, kind in (("guest", Guest), ("host", Host)):
        hints = get_type_hints(kind)
        for one in dataclasses.fields(kind):
            hint: Any = hints[one.name]
            if get_origin(hint) in (Union, UnionType):
                (hint,) = (part for part in get_args(hint) if part is not type(None))
            found[f"{side}.{one.name}"] = hint
    return found


def fitting(name: str, value: object) -> Value | None:
    """Return the value as the type that the name has; None where it is of no use there."""
    kind = types().get(name)
    if kind is bool:
        return value if isinstance(value, bool) else None
    if kind is Isa:
        return value if isinstance(value, str) and value in set(Isa) else None
    if isinstance(value, bool) or value is None:
        return None
    if kind is int and isinstance(value, (int, float)) and abs(value) < 1e18:
        return int(value)
    if kind is float and isinstance(value, (int, float)) and abs(value) < 1e18:
        return float(value)
    return str(value) if kind is str and isinstance(value, (str, int, float)) else None
