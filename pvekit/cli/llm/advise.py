"""pvekit llm advise."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import json_option

_FILE = click.Path(dir_okay=False, path_type=Path)


def _prices(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for value in values:
        name, sign, amount = value.rpartition("=")
        try:
            found[name.strip()] = float(amount)
        except ValueError:
            sign = ""
        if not sign or not name.strip() or not 0 < found[name.strip()] < 1e12:
            raise click.BadParameter(f"{value!r}: write name=amount, such as 'RTX 3060=250'")
    return found


@click.command()
@click.argument("models", metavar="[MODEL]...", nargs=-1)
@click.option("--model", "more", multiple=True, metavar="MODEL", help="One more model; repeatable.")
@click.option("--quant", metavar="Q", help="The quantisation of a shape, such as Q4_K_M.")
@click.option(
    "--hardware", multiple=True, metavar="FILE|PRESET", help="Yours; a second is compared. Default: this one."
)
@click.option("--context", "--ctx", "context", type=click.IntRange(1, 2**24), default=4096, show_default=True,
              help="Tokens to hold.")  # fmt: skip
@click.option("--depth", type=click.IntRange(0, 2**24), default=0, show_default=True, help="Tokens there already.")
@click.option("--budget-watts", type=click.FloatRange(1), metavar="W", help="Leave out what draws more under load.")
@click.option("--price", "prices", multiple=True, callback=_prices, metavar="NAME=AMOUNT",
              help="What a card, channels or avx2 cost ('RTX 3060=250'); the named cards are looked at.")  # fmt: skip
@click.option("--probe", type=_FILE, metavar="FILE", help="What pvekit llm probe wrote on that machine.")
@json_option
def command(
    *, models: tuple[str, ...], more: tuple[str, ...], quant: str | None, hardware: tuple[str, ...], context: int,
    depth: int, budget_watts: float | None, prices: dict[str, float], probe: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compare upgrades of a machine.

    More memory channels, other instructions, cards and smaller quantisations, each predicted as pvekit llm predict
    does, with what it gains; per watt, and per unit of money where prices are given.
    """
    import json

    from pvekit.cli import llm_show_predict as show
    from pvekit.workflows import llm_predict as work

    names = (*models, *more)
    if not names:
        raise click.UsageError("Name a model.")
    found = [
        work.advised(name, quant=quant, hardware=hardware, context=context, depth=depth, budget=budget_watts,
                     prices=prices, probe=str(probe) if probe else None)
        for name in names
    ]  # fmt: skip
    if as_json:
        click.echo(json.dumps([show.advice_data(*each) for each in found], indent=2))
    else:
        click.echo("\n\n".join(show.advice_text(*each) for each in found))
