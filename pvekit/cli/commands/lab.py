"""pvekit lab."""

from __future__ import annotations

import click


@click.group()
def command() -> None:
    """Run the embedded node: a small PVE on this machine with real QEMU guests."""


@command.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on loopback. Default: a free one.")
def start(port: int) -> None:
    """Start the node; nothing happens when it runs."""
    from pvekit.lab import control
    from pvekit.workflows.places import lab_state

    node = control.start(lab_state(), port=port)
    click.echo(f"{node.endpoint} (process {node.pid}), certificate SHA-256 {node.fingerprint}")


@command.command()
@click.option("--guests", is_flag=True, help="Stop the guests as well; without it they go on.")
def stop(guests: bool) -> None:
    """Stop the node. Guests go on unless --guests is given."""
    from pvekit.lab import control
    from pvekit.workflows.places import lab_state

    stopped = control.stop(lab_state(), guests=guests)
    click.echo("stopped" if stopped else "was not running")


@command.command()
def status() -> None:
    """Show whether the node runs and which guests."""
    from pvekit.lab import control
    from pvekit.workflows.places import lab_state

    click.echo(control.status(lab_state()))


@command.command()
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Stop everything and delete the node with all its guests and disks."""
    from pvekit.lab import control
    from pvekit.workflows.places import lab_state

    if not yes:
        click.confirm(f"Delete the embedded node and all its guests ({lab_state()})?", abort=True)
    control.reset(lab_state())
    click.echo("deleted")
