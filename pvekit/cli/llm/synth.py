"""pvekit llm synth."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model", metavar="SHAPE|FILE.gguf", required=False)
@click.option("--quant", metavar="QUANT", help="The quantisation; Q4_K_M by default, a file keeps its own.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="The file to write.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Another seed, other weights.")
@click.option("--layers", type=click.IntRange(1), help="Fewer layers than the shape has.")
@click.option("--force", is_flag=True, help="Replace FILE when it is there.")
@click.option("--list", "listing", is_flag=True, help="List the shapes and quantisations.")
def command(
    model: str | None, quant: str | None, out: Path | None, seed: int, layers: int | None, force: bool, listing: bool
) -> None:  # fmt: skip
    """Write a model with random weights.

    It has the size, the tensors and the speed of the real one, and answers nonsense: to measure a machine before
    anything is downloaded. SHAPE is a name such as qwen2.5-14b; of a GGUF file a twin is made.
    """
    from pvekit.workflows import llm_model, llm_synth

    if listing:
        for name, billions in llm_model.listed():
            click.echo(f"{name:32} {billions * 1000:9,.0f} million parameters")
        click.echo(f"quantisations: {' '.join(llm_model.quantisations())}")
        return
    if model is None:
        raise click.UsageError("Name a shape or a file, or ask for --list.")
    made = llm_synth.synth(model, quant, out, seed=seed, layers=layers, force=force)
    click.echo(
        f"{made.path}: {made.size / 1e9:.2f} GB, {made.demand.quant}, {len(made.demand.layers)} layers; "
        f"a token reads {made.demand.read / 1e9:.2f} GB"
    )
