"""Completes the commands that messages recommend with the stack file that this run was given."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

DEFAULT = "stack.yaml"
_used: list[Path] = []

_OF_A_VM = re.compile(r"\bpvekit (console|logs|ssh|restart|snapshot|rollback|adopt) (?!-s )")
_OF_A_STACK = re.compile(r"\bpvekit (up|down|plan|status) (?=--)")


def remember(_context: click.Context, _parameter: click.Parameter, stack: Path) -> Path:
    """Note the stack file of the command line."""
    _used[:] = [stack]
    return stack


def complete(text: str) -> str:
    """Return a message whose commands can be copied as they are.

    Who uses stack.yaml in the working folder, the default, needs no more than the message has.
    """
    if not _used or str(_used[0]) == DEFAULT:
        return text
    stack = shlex.quote(str(_used[0]))
    text = _OF_A_VM.sub(lambda found: f"{found[0]}-s {stack} ", text)
    return _OF_A_STACK.sub(lambda found: f"{found[0]}{stack} ", text)
