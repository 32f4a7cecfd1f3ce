"""pvekit console."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import lab_option, stack_option


@click.command()
@stack_option
@lab_option
@click.argument("vm")
def command(stack: Path, lab: bool, vm: str) -> None:
    """Open the serial console of a VM. Ctrl-] leaves it."""
    from pvekit.cli.terminal import attach
    from pvekit.workflows.access import open_console
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session, open_console(session, vm) as console:
        click.echo(f"console of {vm}; Ctrl-] leaves it", err=True)
        attach(console)
