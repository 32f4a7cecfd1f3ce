"""pvekit down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.options import json_option, lab_option, only_option, stack_argument

if TYPE_CHECKING:
    from pvekit.workflows.down import Removal


@click.command()
@stack_argument
@only_option
@lab_option
@json_option
@click.option("--unprotect", is_flag=True, help="Remove protected VMs as well.")
@click.option("--confirm", metavar="NAME", help="The stack's name, given here instead of typed.")
def command(stack: Path, only: tuple[str, ...], lab: bool, as_json: bool, unprotect: bool, confirm: str | None) -> int:
    """Remove the VMs of a stack, with their disks.

    Lists every volume that is freed and every one that stays, and asks for the stack's name. VMs that do not carry
    the stack's tags are never touched.
    """
    from pvekit.cli import show
    from pvekit.cli.progress import progress
    from pvekit.workflows.down import plan_removal, remove
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        removal = plan_removal(session, only=only)
        click.echo(show.as_json(removal) if as_json else _text(removal))
        if removal.empty:
            return 0
        typed = confirm or click.prompt("Type the stack's name to remove all this", default="", show_default=False)
        if typed != removal.stack:
            raise click.UsageError(f"that is not the stack's name ({removal.stack}): nothing was removed")
        with progress(as_json=as_json) as emit:
            outcomes = remove(session, removal, emit, unprotect=unprotect)
    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    for error in failed:
        from pvekit.cli.main import show_error

        show_error(error)
    return failed[0].code if failed else 0


def _text(removal: Removal) -> str:
    if removal.empty:
        return f"{removal.stack}: nothing to remove."
    lines = [f"{removal.stack}: would remove"]
    for doomed in removal.vms:
        state = ", running" if doomed.row.running else ""
        protected = ", PROTECTED" if doomed.protected else ""
        lines.append(f"  {doomed.vm} (VMID {doomed.row.vmid} on {doomed.row.node}{state}{protected})")
        lines += [f"      freed: {volume}" for volume in doomed.freed]
        lines += [f"      stays: {volume} ({why})" for volume, why in doomed.kept]
    lines += [f"  seed {volid} on {node}" for node, volid in removal.seeds]
    return "\n".join(lines)
