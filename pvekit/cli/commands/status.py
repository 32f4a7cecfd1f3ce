"""pvekit status."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import json_option, lab_option, stack_argument


@click.command()
@stack_argument
@lab_option
@json_option
def command(stack: Path, lab: bool, as_json: bool) -> None:
    """Show the VMs of a stack: state, stage, address.

    The stage is how far pvekit has come with a VM: created, booted, ready. The last column names the settings that
    wait for a restart.
    """
    from pvekit.cli import show
    from pvekit.workflows.session import open_session
    from pvekit.workflows.status import look

    with open_session(stack, lab=lab) as session:
        states = look(session)
    if as_json:
        click.echo(show.as_json(states))
        return
    rows = [
        [s.vm, str(s.vmid or "-"), s.node or "-", s.state, s.stage or "-", s.address or "-", ",".join(s.waiting) or "-"]
        for s in states
    ]
    click.echo(show.table(("VM", "VMID", "NODE", "STATE", "STAGE", "ADDRESS", "WAITS FOR RESTART"), rows))
