"""pvekit rollback."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import events_option, lab_option, stack_option, yes_option


@click.command()
@stack_option
@lab_option
@events_option
@yes_option
@click.argument("vm")
@click.argument("name")
def command(stack: Path, lab: bool, as_json: bool, yes: bool, vm: str, name: str) -> None:
    """Return a VM to a snapshot. What was written since then is lost."""
    from pvekit.cli.ask import confirm
    from pvekit.cli.progress import progress
    from pvekit.workflows.session import open_session
    from pvekit.workflows.vm import rollback

    if not yes:
        confirm(f"Return {vm} to {name}? What was written since then is lost.", instead="--yes")
    with open_session(stack, lab=lab) as session, progress(as_json=as_json) as emit:
        rollback(session, vm, name, emit)
