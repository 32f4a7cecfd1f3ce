"""pvekit llm tune."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.llm_machine_options import Open, machine_options
from pvekit.cli.options import yes_option


@click.command()
@machine_options
@click.option("--model", default="", metavar="FILE", help="A GGUF file there. Default: what it serves, or a synthetic.")
@click.option("--objective", type=click.Choice(("decode", "prefill", "mixed")), default="mixed", show_default=True,
              help="Whose tokens per second.")  # fmt: skip
@click.option("--runs", type=click.IntRange(20, 2000), default=60, show_default=True, help="The budget.")
@click.option("--depth", type=click.IntRange(0), default=0, show_default=True, help="Tokens that are there already.")
@click.option("--try-kv", "kv", is_flag=True, help="Also try an 8-bit KV cache, which is a little less exact.")
@click.option("--dry-run", is_flag=True, help="Say what would be tried.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Records (JSONL).")
@yes_option
def command(
    *, opened: Open, model: str, objective: str, runs: int, depth: int, kv: bool, dry_run: bool, out: Path | None,
    yes: bool,
) -> None:  # fmt: skip
    """Find faster settings, and prove them.

    Threads, batch, flash attention, KV type, offload, NUMA and loading, one after the other from where the facts
    suggest, within a budget of runs. Then the winner runs against llama.cpp's defaults in rounds of its own, and only
    a gain whose whole 95 % interval is above nothing counts. A proven winner goes into the unit of the VM, which is
    restarted; if it does not come up, the settings from before are put back.
    """
    from pvekit.cli import ask, llm_show_tune
    from pvekit.workflows import llm_tune as work

    def say(text: str) -> None:
        click.echo(text, err=True)

    if not dry_run:
        work.refuse_existing(out)
    wish = work.Wish(objective, runs, depth, kv)
    with opened() as (machine, bench), work.planned(machine, wish, model=model, bench=bench, say=say) as plan:
        if dry_run:
            click.echo(llm_show_tune.plan(plan, wish))
            return
        tuned = work.run(machine, plan, wish, records=out, say=say)
        click.echo(llm_show_tune.text(tuned, objective))
        if not tuned.proven or not work.served(machine):
            return
        if not yes:
            ask.confirm(f"Give it to the server of {machine.name}, which is restarted?", instead="--yes")
        work.give(machine, tuned.knobs, plan, say=say)
        click.echo(f"{machine.name}: the server runs with it", err=True)
