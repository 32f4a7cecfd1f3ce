"""pvekit restart."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import events_option, lab_option, stack_option


@click.command()
@stack_option
@lab_option
@events_option
@click.argument("vm")
def command(stack: Path, lab: bool, as_json: bool, vm: str) -> None:
    """Stop and start a VM, so that waiting changes are applied.

    The guest is asked to shut down, and switched off when it does not within two minutes.
    """
    from pvekit.cli.progress import progress
    from pvekit.workflows.session import open_session
    from pvekit.workflows.vm import restart

    with open_session(stack, lab=lab) as session, progress(as_json=as_json) as emit:
        restart(session, vm, emit)
