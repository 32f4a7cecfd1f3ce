"""pvekit passthrough watch."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import json_option
from pvekit.cli.passthrough_options import Reach, address, reach_options
from pvekit.model.pci import Bdf

DRIFTED = 2
"""Exit code when something is not as it was."""


@click.command()
@click.argument("name", metavar="HOST|BUNDLE")
@click.option("--accept", is_flag=True, help="Take the present state as the new baseline; the old one is kept.")
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    metavar="BUNDLE|FILE",
    help="Compare with a bundle, or with a baseline in a file, and keep nothing.",
)
@click.option("--vm", "vmid", type=click.IntRange(100), metavar="VMID", help="The VM that gets the card.")
@click.option("--device", callback=address, metavar="BDF", help="The card, as lspci names it.")
@json_option
@reach_options
def watch(
    name: str,
    accept: bool,
    against: Path | None,
    vmid: int | None,
    device: Bdf | None,
    as_json: bool,
    reach: Reach,
) -> int:  # fmt: skip
    """Tell what changed since passthrough worked.

    The first run keeps how the host is: firmware, kernel and its options, devices, IOMMU groups, memory. Every
    later run compares, and prints one line when nothing drifted. A bundle needs --against. Exit code 0: nothing
    drifted, 2: something did, 1 and others: errors.
    """
    from pvekit.cli import show_watch
    from pvekit.cli.commands.passthrough import is_path
    from pvekit.workflows import watch as work

    bundle = Path(name) if Path(name).exists() else None
    if accept and against is not None:
        raise click.UsageError("--against compares files and keeps nothing: leave out --accept.")
    if bundle is not None and against is None:
        raise click.UsageError(f"{name} is a file or folder: name what to compare it with (--against).")
    if bundle is None and is_path(name):
        raise click.UsageError(f"There is no file or folder {name}.")
    if against is not None:
        found = work.compare(reach(name) if bundle is None else bundle, against, vmid=vmid, device=device)
    else:
        found = work.watch(reach(name), accept=accept, vmid=vmid, device=device)
    click.echo(show_watch.watch_json(found) if as_json else show_watch.watch_text(found, name))
    return DRIFTED if found.drifts and not found.accepted else 0
