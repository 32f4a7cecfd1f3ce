"""How a file on a node says that it is pvekit's: two comment lines, the second one for machines.

The header also remembers what live settings were before, so that undoing needs no other record.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

_MARK = "# pvekit: "


@dataclass(frozen=True, slots=True)
class Header:
    """Whose file it is. ``before`` are live settings (path or unit: value) as they were before the first write.

    ``pending``: what has to follow a write (rebuilding the initramfs) is not done yet.
    """

    stack: str
    before: Mapping[str, str] = field(default_factory=dict)
    pending: bool = False


def wrap(header: Header, body: str) -> str:
    """Return the whole text of a file."""
    fields: dict[str, object] = {"stack": header.stack, "before": dict(header.before)}
    if header.pending:
        fields["pending"] = True
    return (
        f"# Written by pvekit for the stack {header.stack}. Change the stack file instead: pvekit down removes this.\n"
        f"{_MARK}{json.dumps(fields, sort_keys=True)}\n{body}"
    )


def read(text: str) -> Header | None:
    """Return the header of a file; None when it is not pvekit's (or was changed so that it cannot be known)."""
    line = next((line for line in text.splitlines()[:3] if line.startswith(_MARK)), None)
    if line is None:
        return None
    try:
        fields = json.loads(line.removeprefix(_MARK))
        before = {str(key): str(value) for key, value in fields.get("before", {}).items()}
        return Header(str(fields["stack"]), before, bool(fields.get("pending", False)))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
