"""pvekit passthrough map and blast."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pvekit.cli.options import json_option
from pvekit.model.pci import Bdf

_BUNDLE = click.Path(path_type=Path)


def _device(ctx: click.Context, param: click.Parameter, value: str) -> tuple[Bdf, bool]:
    """Return the address, and whether it names a whole slot."""
    whole = re.fullmatch(r"(?:[0-9a-fA-F]{4,8}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}", value.strip()) is not None
    try:
        return Bdf.parse(f"{value.strip()}.0" if whole else value), whole
    except ValueError as error:
        hint = "Write it as lspci does: 01:00.0, or 01:00 for all functions"
        raise click.BadParameter(f"{error}. {hint}", ctx, param) from error


@click.command(name="map")
@click.argument("bundle", type=_BUNDLE)
@click.option("--add", multiple=True, metavar="CARD@SLOT", help="Ask whether a card would fit, such as p106@slot5.")
@click.option("--board", default="", metavar="NAME", help="The board, where the bundle does not tell it.")
@json_option
def map_command(bundle: Path, add: tuple[str, ...], board: str, as_json: bool) -> int:
    """Show where the cards' memory lies, who holds it, and what is in which slot.

    With --add: whether cards that are not there yet would fit, with the sums. A card in that slot is taken out. Several
    cards are written as 3090@slot2,3090@slot5. Exit code with --add 0: fits, 1: does not fit, 2: cannot tell.
    """
    from pvekit.cli import show_view
    from pvekit.workflows import passthrough_view

    seen, answer = passthrough_view.view(bundle, board=board, add=add)
    click.echo((show_view.view_json if as_json else show_view.view_text)(seen, answer))
    return 0 if answer is None else answer.fit.value


@click.command()
@click.argument("bundle", type=_BUNDLE)
@click.option("--device", required=True, callback=_device, metavar="BDF", help="The card; 01:00 for all its functions.")
@json_option
def blast(bundle: Path, device: tuple[Bdf, bool], as_json: bool) -> int:
    """Tell what the host loses when a VM with this device starts.

    Proxmox VE takes the whole IOMMU group from the host: the network card of the default route, the disk with the root
    file system or the USB keyboard may be in it. Exit code 0: nothing is lost, 1: something is, 2: cannot tell.
    """
    from pvekit.cli import show_view
    from pvekit.workflows import passthrough_view

    found = passthrough_view.radius(bundle, device[0], whole_slot=device[1])
    click.echo((show_view.blast_json if as_json else show_view.blast_text)(found))
    return found.damage.value
