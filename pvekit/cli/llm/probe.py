"""pvekit llm probe."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.llm_machine_options import Open, machine_options
from pvekit.cli.options import json_option


@click.command()
@machine_options
@click.option("--model", default="", metavar="FILE", help="A GGUF file there. Default: what it serves, or a synthetic.")
@click.option("--facts-only", is_flag=True, help="Measure nothing.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keep it in a file (JSON)."
)
@json_option
def command(opened: Open, model: str, facts_only: bool, out: Path | None, as_json: bool) -> None:
    """Find out what a machine has for inference.

    HOST is a VM of the stack file, a node of it, or [user@]address[:port]; --local is this machine. Of a VM both sides
    are asked: the guest over its SSH, and its node where the stack file says how. Nothing is changed there. A short
    measurement follows: memory reads and decode by threads, with a small model of random bytes where there is no other.

    The file is what pvekit llm predict takes as --hardware, and pvekit llm explain reads.
    """
    from pvekit.cli import llm_show_probe
    from pvekit.inference.probed import write
    from pvekit.workflows import llm_probe as work

    with opened() as (machine, bench):
        found = work.probe(
            machine, model=model, bench=bench, measured=not facts_only, say=lambda text: click.echo(text, err=True)
        )
    if out is not None:
        work.save(found, out)
        click.echo(f"{out}: written", err=True)
    click.echo(write(found).rstrip() if as_json else llm_show_probe.text(found))
    if not as_json:
        kept = str(out) if out is not None else "FILE"
        again = "" if out is not None else ", once -o FILE has kept it"
        click.echo(f"next: pvekit llm predict MODEL --hardware {kept}{again}", err=True)
