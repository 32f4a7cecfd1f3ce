"""pvekit record."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import lab_option, stack_argument


@click.command()
@stack_argument
@lab_option
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("host.json"),
    show_default=True,
    help="Where the recording goes.",
)
def command(stack: Path, lab: bool, out: Path) -> None:
    """Record what a plan reads, to plan without the host.

    "pvekit plan --recorded FILE" plans with it offline. Changes nothing. The file holds no token and no password;
    addresses, serial numbers and UUIDs that the stack file does not name are replaced.
    """
    from pvekit.cli.hints import complete
    from pvekit.workflows.record import record, write_recording
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        found = record(session)
    write_recording(out, found)
    answers = len(found.answers)
    refused = f", {len(found.refused)} refused" if found.refused else ""
    click.echo(f"{out}: {answers} answers{refused}")
    click.echo(complete(f"next: pvekit plan --recorded {out}"))
