"""Root actions of a plan as text: every file with what changes in it, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pvekit.model.plan import Action, Change, Effect


def root_lines(actions: Iterable[Action], indent: str) -> list[str]:
    """Return the lines for a person to read."""
    lines: list[str] = []
    for action in actions:
        lines.append(f"{indent}root step (by SSH): {action.why}")
        for change in action.changes:
            lines += [f"{indent}  {line}" for line in change_lines(change)]
    return lines


def change_lines(change: Change) -> list[str]:
    """Return one change: a value on one line, a file line by line."""
    if not _is_text(change):
        after = "(removed)" if change.after is None else change.after
        before = "(not set)" if change.before is None else change.before
        wait = "  [needs a restart]" if change.effect is Effect.RESTART else ""
        return [f"{change.target}: {before} -> {after}{wait}"]
    word = "new file" if change.before is None else "file removed" if change.after is None else "file changed"
    diff = difflib.unified_diff((change.before or "").splitlines(), (change.after or "").splitlines(), n=0, lineterm="")
    shown = [line for line in diff if not line.startswith(("---", "+++", "@@"))]
    return [f"{change.target} ({word})", *(f"  {line[0]} {line[1:]}".rstrip() for line in shown)]


def _is_text(change: Change) -> bool:
    """Return whether the change is a file's whole text: those have several lines."""
    return "\n" in (change.before or "") + (change.after or "")
