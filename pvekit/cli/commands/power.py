"""pvekit power."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.options import json_option, stack_option

if TYPE_CHECKING:
    from pvekit.model.power import Draw, Reading


@click.command()
@stack_option
@json_option
@click.option("--price", type=click.FloatRange(0), default=0.30, show_default=True, help="Price of one kWh.")
@click.option("--seconds", type=click.IntRange(1, 300), default=10, show_default=True, help="Average over so long.")
@click.option("--plug", metavar="URL", help="Ask this smart plug too (JSON of Tasmota or Shelly).")
@click.option("--local", is_flag=True, help="Measure this machine, without SSH and stack file.")
def command(stack: Path, as_json: bool, price: float, seconds: int, plug: str | None, local: bool) -> None:
    """Show what the nodes draw now, and what a year of it costs.

    Reads the processors' own energy counters, a UPS and graphics cards where they are there. What a source does not
    cover is said beside it.
    """
    from pvekit.cli import show
    from pvekit.model.power import year
    from pvekit.workflows import power
    from pvekit.workflows.session import read_stack

    readings = power.here(seconds) if local else power.nodes(read_stack(stack), seconds)
    measured = power.at_plug(plug) if plug else None
    known = [watts for reading in readings.values() if (watts := reading.watts) is not None]
    total = measured.watts if measured else sum(known) if known else None
    cost = year(total, price) if total is not None else None
    if as_json:
        click.echo(show.as_json({"nodes": readings, "plug": measured, "price": price, "year": cost}))
        return
    rows = _rows(readings, measured)
    if rows:
        click.echo(show.table(("WHERE", "SOURCE", "WATTS", "COVERS"), rows))
    for name, reading in readings.items():
        for text in reading.missing:
            click.echo(f"not read on {name}: {text}")
    if cost is None:
        click.echo("nothing here tells what is drawn. A plug that measures does: --plug URL")
        return
    click.echo(f"a year at {cost.watts:.1f} W: {cost.kwh:.0f} kWh, {cost.cost:.2f} at {price:g} per kWh")
    if measured is None and not all(draw.whole for reading in readings.values() for draw in reading.best):
        click.echo("The wall shows more: power supply, board, disks, fans and cards without a meter are not in it.")


def _rows(readings: Mapping[str, Reading], measured: Draw | None) -> list[list[str]]:
    rows = [[name, d.source, f"{d.watts:.1f}", d.covers] for name, reading in readings.items() for d in reading.draws]
    return [*rows, ["-", measured.source, f"{measured.watts:.1f}", measured.covers]] if measured else rows
