"""pvekit validate."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import stack_argument


@click.command()
@stack_argument
def command(stack: Path) -> None:
    """Check a stack file; every mistake at once. Needs no server."""
    from pvekit.workflows.session import read_stack

    found = read_stack(stack)
    click.echo(f"{stack}: good, {len(found.vms)} VM{'s' if len(found.vms) != 1 else ''}")
