"""pvekit snapshot."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import events_option, lab_option, stack_option


@click.command()
@stack_option
@lab_option
@events_option
@click.option("--ram", is_flag=True, help="Keep the running VM's memory as well.")
@click.argument("vm")
@click.argument("name")
def command(stack: Path, lab: bool, as_json: bool, ram: bool, vm: str, name: str) -> None:
    """Take a snapshot of a VM."""
    from pvekit.cli.progress import progress
    from pvekit.workflows.session import open_session
    from pvekit.workflows.vm import snapshot

    with open_session(stack, lab=lab) as session, progress(as_json=as_json) as emit:
        snapshot(session, vm, name, emit, ram=ram)
