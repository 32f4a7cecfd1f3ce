"""Groups of commands that cost nothing until one of them runs."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any

import click


class Folder(click.Group):
    """A group whose commands are the modules of ``package``, imported when they are needed."""

    def __init__(self, *args: Any, package: ModuleType, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.package = package

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        found = pkgutil.iter_modules(self.package.__path__)
        return sorted(module.name.replace("_", "-") for module in found)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Return one command; None when there is no such module."""
        if name not in self.list_commands(_ctx):
            return None
        module = importlib.import_module(f"{self.package.__name__}.{name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)  # noqa: S101 - held by a test over all modules
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a mistyped one, name the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], self.list_commands(ctx), 1)
            if close and "did you mean" not in error.message.lower():
                raise click.UsageError(f"{error.message} Did you mean {close[0]}?", ctx) from None
            raise
