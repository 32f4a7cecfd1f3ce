"""The environment as rows of a table: what is known of guest and host, named for people."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pvekit.inference.factnames import title
from pvekit.inference.report.figures import number, short, size

_LONGEST = 300
_MISSING = "missing."
_BYTES = frozenset(
    {"cpu.cache", "guest.memory", "guest.available", "guest.swap_used", "guest.gpu_bytes", "host.balloon"}
)
_IDENTITIES = re.compile(
    r"(?:^|[._])(?:host_?name|node|fqdn|domain|serial\w*|uuid|mac|ip|address|user\w*|ssh\w*|url|endpoint|key|token)$"
)
"""What says whose machine it is and nothing about its speed."""


def flat(data: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every fact with its dotted name; mappings inside give the parts of the name."""
    for name, value in data.items():
        dotted = f"{before}{name}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{dotted}.")
        else:
            yield dotted, value


def identities(data: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of machines that the facts hold."""
    for name, value in flat(data):
        if isinstance(value, str) and re.search(
            r"(?:^|[._])(?:host_?name|node|fqdn|(?:host|guest|vm)\.name)$", name.casefold()
        ):
            yield value


def shown(name: str) -> bool:
    """Return whether a fact belongs on a page that is passed on."""
    return not name.startswith((_MISSING, "llama.command")) and _IDENTITIES.search(name.casefold()) is None


def lacking(known: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the facts that could not be read, by the reason; ``missing`` in an environment holds them."""
    found: dict[str, list[str]] = {}
    for name, why in known.items():
        if name.startswith(_MISSING) and isinstance(why, str):
            found.setdefault(why, []).append(title(name.removeprefix(_MISSING)))
    return found


def text(name: str, value: Any) -> str:
    """Return a fact as text, empty where nobody knows it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    found = number(value)
    if found is not None:
        return size(found) if name in _BYTES else short(found) if isinstance(value, float) else f"{value}"
    if isinstance(value, list | tuple):
        return ", ".join(part for each in value if (part := text(name, each)))[:_LONGEST]
    return str(value)[:_LONGEST]
