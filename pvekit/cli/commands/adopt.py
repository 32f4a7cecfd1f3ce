"""pvekit adopt."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import lab_option, stack_option, yes_option


@click.command()
@stack_option
@lab_option
@yes_option
@click.option("--kind", default="debian", show_default=True, help="What the VM is.")
@click.option("--append", is_flag=True, help="Add the entry to the stack file as well.")
@click.argument("vmid", type=int)
def command(stack: Path, lab: bool, yes: bool, kind: str, append: bool, vmid: int) -> None:
    """Take an existing VM into the stack.

    Prints its YAML, and tags it in PVE. With the entry in the stack file the next plan is empty: nothing of the VM
    is changed but its tags and notes.
    """
    from pvekit.cli.ask import confirm
    from pvekit.workflows import adopt
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        found = adopt.plan_adoption(session, vmid, kind)
        click.echo(found.text, nl=False)
        if not yes:
            confirm(f"Tag VM {vmid} as {found.name} of stack {session.stack.name}?", instead="--yes")
        adopt.adopt(session, found, stack if append else None)
    where = f"added to {stack}" if append else f"add the entry above under vms: in {stack}"
    click.echo(f"tagged VM {vmid}; {where}", err=True)
