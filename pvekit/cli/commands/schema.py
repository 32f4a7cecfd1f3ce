"""pvekit schema."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """Print the JSON Schema of the stack file, for editors."""
    from pvekit.cli.show import as_json
    from pvekit.model.stack import schema

    click.echo(as_json(schema()))
