"""pvekit screenshot."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import lab_option, stack_option


@click.command()
@stack_option
@lab_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file. Default: VM-TIME.png here."
)
@click.argument("vm")
def command(stack: Path, lab: bool, output: Path | None, vm: str) -> None:
    """Save what a VM's display shows, as PNG.

    It comes through the API alone, so it also shows a firmware menu, an installer or a boot that hangs.
    """
    from datetime import datetime

    from pvekit.model.picture import png_size
    from pvekit.workflows.screen import file_name, screenshot
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        image = screenshot(session, vm)
    path = output or file_name(vm, datetime.now().astimezone())
    path.write_bytes(image)
    width, height = png_size(image)
    click.echo(f"{path}: {width} x {height} pixels, {len(image)} bytes")
