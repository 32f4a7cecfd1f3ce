"""The front door: finds the command, runs it, turns errors into messages and exit codes."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import Any

import click

import pvekit.cli.commands
from pvekit import __version__
from pvekit.cli.hints import complete
from pvekit.model.errors import PvekitError, StackInvalid

USAGE = 64
"""Exit code for wrong command lines (sysexits.h EX_USAGE); 2 means "changes" in ``pvekit plan``."""


class Folder(click.Group):
    """A group whose commands are the modules of ``pvekit.cli.commands``, imported when they are needed."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        found = pkgutil.iter_modules(pvekit.cli.commands.__path__)
        return sorted(module.name.replace("_", "-") for module in found)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """Return one command; None when there is no such module."""
        if name not in self.list_commands(_ctx):
            return None
        module = importlib.import_module(f"pvekit.cli.commands.{name.replace('-', '_')}")
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


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Folder, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="pvekit", message="%(prog)s %(version)s")
def pvekit_group() -> None:
    """Bring a stack of VMs up on Proxmox VE, from one YAML file.

    Start with "pvekit init", or try everything without a server: "pvekit up inventory/lab.yaml --lab".
    """


def show_error(error: PvekitError) -> None:
    """Write an error to standard error: what, where, next step."""
    if isinstance(error, StackInvalid):
        for problem in error.problems:
            click.echo(str(problem), err=True)
    click.echo(f"{click.style('error:', fg='red', bold=True)} {error}", err=True)
    if error.hint:
        click.echo(f"{click.style('next:', bold=True)} {complete(error.hint)}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run pvekit and exit."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run pvekit and return the exit code."""
    try:
        result: Any = pvekit_group.main(arguments, prog_name="pvekit", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        click.echo("stopped; nothing was changed.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return USAGE if isinstance(error, click.UsageError) else 1
    except PvekitError as error:
        show_error(error)
        return error.code
    except KeyboardInterrupt:
        click.echo("stopped. Run the same command again: it continues where it was.", err=True)
        return 130
    except BrokenPipeError:
        # Whoever read our output is gone (`pvekit plan | head`): nothing more can be said, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        show_error(PvekitError(error.strerror or str(error), where=str(error.filename or "")))
        return 1
    return result if isinstance(result, int) else 0
