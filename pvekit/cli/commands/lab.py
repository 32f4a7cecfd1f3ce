"""pvekit lab."""

from __future__ import annotations

import click

from pvekit.cli.options import json_option, yes_option


@click.group()
def command() -> None:
    """Run the embedded node, a small PVE on this machine.

    It speaks the API of Proxmox VE on loopback and runs each VM with QEMU. Stack files with "host: lab", and --lab,
    start it by themselves.
    """


@command.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on loopback. Default: a free one.")
@click.option("--hollow", is_flag=True, help="Without QEMU: VMs only claim to run. For trying out plans.")
@click.option("--node", "nodes", multiple=True, metavar="NAME", help="Name of a node; several make a cluster.")
def start(port: int, hollow: bool, nodes: tuple[str, ...]) -> None:
    """Start the node; one that runs is left as it is."""
    from pvekit.lab import control
    from pvekit.workflows.places import lab_state

    before = control.status(lab_state())
    node = control.start(lab_state(), port=port, hollow=hollow, nodes=nodes)
    again = before is not None and before.pid == node.pid
    click.echo(f"{'runs already' if again else 'started'}: {node.endpoint} (process {node.pid})")
    click.echo(f"certificate SHA-256 {node.fingerprint}")
    click.echo("next: pvekit up STACK --lab, or host: lab in the stack file")


@command.command()
@click.option("--guests", is_flag=True, help="Stop the guests as well; without it they go on.")
def stop(guests: bool) -> None:
    """Stop the node. Guests go on unless --guests is given."""
    from pvekit.lab import control
    from pvekit.workflows.lab import look
    from pvekit.workflows.places import lab_state

    found = None if guests else look(lab_state())
    running = [guest for guest in found.guests if guest.state == "running"] if found and not found.hollow else []
    stopped = control.stop(lab_state(), guests=guests)
    go_on = f"; guests that go on: {len(running)} (pvekit lab stop --guests stops them)" if running else ""
    click.echo(f"stopped{go_on}" if stopped else "was not running")


@command.command()
@json_option
def status(as_json: bool) -> None:
    """Show whether the node runs and which guests it has."""
    from pvekit.cli import show
    from pvekit.workflows.lab import look
    from pvekit.workflows.places import lab_state

    found = look(lab_state())
    if as_json:
        click.echo(show.as_json(found))
    elif found is None:
        click.echo("not running (start it: pvekit lab start)")
    else:
        hollow = ", hollow: VMs only claim to run" if found.hollow else ""
        click.echo(f"running: {found.endpoint} (process {found.pid}{hollow})")
        click.echo(f"state in {found.folder}; token {found.token_id}; certificate SHA-256 {found.fingerprint}")
        rows = [[str(g.vmid), g.name or "-", g.state, ";".join(g.tags) or "-"] for g in found.guests]
        click.echo(show.table(("VMID", "NAME", "STATE", "TAGS"), rows) if rows else "no guests")


@command.command()
@yes_option
def reset(yes: bool) -> None:
    """Stop everything and delete the node with all its guests and disks."""
    from pvekit.cli.ask import confirm
    from pvekit.lab import control
    from pvekit.workflows.places import lab_state

    if not lab_state().exists():
        click.echo("there is nothing to delete")
        return
    if not yes:
        confirm(f"Delete the embedded node and all its guests ({lab_state()})?", instead="--yes")
    control.reset(lab_state())
    click.echo("deleted")
