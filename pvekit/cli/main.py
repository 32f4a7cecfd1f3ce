"""The front door: finds the command, runs it, turns errors into messages and exit codes."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

import pvekit.cli.commands
from pvekit import __version__
from pvekit.cli.folder import Folder
from pvekit.cli.hints import complete
from pvekit.model.errors import PvekitError, StackInvalid

USAGE = 64
"""Exit code for wrong command lines (sysexits.h EX_USAGE); 2 means "changes" in ``pvekit plan``."""


_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Folder, package=pvekit.cli.commands, context_settings=_SETTINGS)
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
