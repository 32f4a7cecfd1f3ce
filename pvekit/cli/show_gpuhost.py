"""What a plan does on nodes for their cards, as text: every file as a diff, the commands, the risks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import click

from pvekit.cli.show_root import change_lines
from pvekit.model.plan import Action
from pvekit.provision.gpuhost import AFTERWARDS

_WIDTH = 100


def host_lines(actions: Iterable[Action], indent: str) -> list[str]:
    """Return the lines for a person to read."""
    lines: list[str] = []
    inner = f"{indent}  "
    for action in actions:
        node = action.id.partition(":")[2]
        lines += _wrapped(f"node {node} (by SSH): {action.why}", indent, f"{indent}    ")
        for change in action.changes:
            if change.target == AFTERWARDS:
                lines += _wrapped(f"then: {change.after}", inner, f"{inner}  ")
            else:
                lines += [f"{inner}{line}" for line in change_lines(change)]
        lines += [click.style(line, fg="red") for line in _wrapped(f"risk: {action.danger}", inner, f"{inner}  ")]
    return lines


def _wrapped(text: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )
