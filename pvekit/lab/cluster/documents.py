"""Small tables that belong to the cluster, each one document: pools, mappings, rules, jobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pvekit.lab.call import Call
from pvekit.lab.errors import broken
from pvekit.lab.params import Param

if TYPE_CHECKING:
    from pvekit.lab.lab import Lab

MODIFIED = "detected modified configuration - file changed by other user? Try again."


def table(lab: Lab, name: str) -> dict[str, Any]:
    """Return a table's rows by id."""
    return dict(lab.cluster.get(name) or {})


@contextmanager
def changing(lab: Lab, name: str) -> Iterator[dict[str, Any]]:
    """Give a copy of the table to change; it is written when the block ends without an exception."""
    with lab.exclusive():
        rows = {key: dict(row) if isinstance(row, dict) else row for key, row in table(lab, name).items()}
        yield rows
        lab.cluster.put(name, rows)


def digest(rows: Mapping[str, Any]) -> str:
    """Return the SHA-1 of a table."""
    text = json.dumps(rows, sort_keys=True) if rows else ""
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def demand_digest(call: Call, rows: Mapping[str, Any], prefix: str = "") -> None:
    """Raise the 500 if the caller saw another state of the table."""
    if call.get("digest") and call.get("digest") != digest(rows):
        raise broken(f"{prefix}{MODIFIED}")


def given(call: Call, declared: Mapping[str, Param], *without: str) -> dict[str, Any]:
    """Return the request's declared fields, numbers as numbers."""
    found: dict[str, Any] = {}
    for key, value in call.params.items():
        if key in declared and key not in without:
            found[key] = int(value) if declared[key].kind in {"integer", "boolean"} else value
    found.update({key: value for key, value in call.lists.items() if key in declared and key not in without})
    return found
