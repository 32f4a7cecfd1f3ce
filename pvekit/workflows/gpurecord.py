"""Which nodes `up` changed for their cards, as far as this machine knows: only so that `down` can say it."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote

from pvekit.adapters.files import write_atomic
from pvekit.workflows.places import data_home


def _path(stack: str) -> Path:
    return data_home() / "stacks" / stack / "gpuhosts.json"


def changed_nodes(stack: str) -> dict[str, tuple[str, ...]]:
    """Return the change sets by node."""
    try:
        found = json.loads(_path(stack).read_text())
        return {str(node): tuple(str(name) for name in names) for node, names in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def remember(stack: str, node: str, change_set: str) -> None:
    """Keep that a change set is made on a node; before its first edit, so that nothing is forgotten."""
    known = changed_nodes(stack)
    names = dict.fromkeys([*known.get(node, ()), change_set])
    write_atomic(_path(stack), json.dumps({**known, node: list(names)}, sort_keys=True).encode())


def forget(stack: str) -> None:
    """Forget all of it: the person was told."""
    _path(stack).unlink(missing_ok=True)


def told(stack: str, file: str) -> tuple[str, ...]:
    """Return for each node that what it starts with stays as it is, and the way back."""
    return tuple(
        f"pvekit up changed what {node} starts with ({', '.join(names)}). That stays; to take it back: "
        f"pvekit passthrough rollback {node} -s {quote(file)}"
        for node, names in sorted(changed_nodes(stack).items())
    )
