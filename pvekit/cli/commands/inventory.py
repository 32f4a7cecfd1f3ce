"""pvekit inventory."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import lab_option, stack_argument


@click.command()
@stack_argument
@lab_option
@click.option("--list", "_list", is_flag=True, help="What Ansible asks an inventory script for; the default.")
@click.option("--host", help="What Ansible asks for a single host.")
def command(stack: Path, lab: bool, _list: bool, host: str | None) -> None:
    """Print the stack as an Ansible inventory (JSON).

    It reads addresses from the running guests and writes their pinned host keys into the stack's known_hosts file.
    """
    from pvekit.cli.show import as_json
    from pvekit.workflows.inventory import stack_inventory
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        document = stack_inventory(session)
    click.echo(as_json(document["_meta"]["hostvars"].get(host, {}) if host else document))
