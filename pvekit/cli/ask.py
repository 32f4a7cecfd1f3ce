"""Questions to the person. They go to standard error, so that standard output stays what was asked for."""

from __future__ import annotations

import sys

import click

from pvekit.model.errors import PvekitError


def confirm(question: str, *, instead: str) -> None:
    """Ask yes or no. Raises PvekitError for no, and where nobody can answer; ``instead`` is the option that does."""
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        _nobody(instead)
        raise
    if not agreed:
        raise PvekitError("nothing was changed: the answer was no")


def text(question: str, *, instead: str, default: str | None = None, hide: bool = False) -> str:
    """Ask for a line. Raises PvekitError where nobody can answer."""
    try:
        return str(click.prompt(question, err=True, default=default, show_default=bool(default), hide_input=hide))
    except click.Abort:
        _nobody(instead)
        raise


def _nobody(instead: str) -> None:
    """Raise when there was no terminal to ask on; else it was Ctrl-C or Ctrl-D."""
    if not sys.stdin.isatty():
        click.echo(err=True)
        raise PvekitError("there is no terminal to ask on", hint=f"Give the answer with {instead}.") from None
