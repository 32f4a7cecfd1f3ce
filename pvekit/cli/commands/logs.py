"""pvekit logs."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import lab_option, stack_option


@click.command()
@stack_option
@lab_option
@click.option("--tasks", is_flag=True, help="PVE's last tasks for the VM instead.")
@click.argument("vm")
def command(stack: Path, lab: bool, tasks: bool, vm: str) -> None:
    """Show what cloud-init wrote in a guest, or PVE's tasks.

    It is read through the guest agent, so it works before SSH does.
    """
    from pvekit.workflows.access import guest_log, task_log
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        text = "\n".join(task_log(session, vm)) if tasks else guest_log(session, vm)
    click.echo(text)
