"""pvekit llm predict."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import json_option

CACHE_TYPES = ("f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl")
_FILE = click.Path(dir_okay=False, path_type=Path)


def offload(_context: click.Context, _option: click.Parameter, value: str) -> str | int:
    """Return auto or a number of layers."""
    if value == "auto" or value.isdecimal():
        return value if value == "auto" else int(value)
    raise click.BadParameter("say auto, or a number of layers")


@click.command()
@click.argument("model")
@click.option("--quant", metavar="Q", help="The quantisation of a shape, such as Q4_K_M.")
@click.option("--hardware", metavar="FILE|PRESET", help="The machine. Default: this one.")
@click.option("--context", "--ctx", "context", type=click.IntRange(1, 2**24), default=4096, show_default=True,
              help="Tokens to hold.")  # fmt: skip
@click.option(
    "--depth", "depths", type=click.IntRange(0, 2**24), multiple=True, help="Tokens there already; repeatable."
)
@click.option("--slots", type=click.IntRange(1, 256), default=1, show_default=True, help="Requests at the same time.")
@click.option(
    "--kv", "cache", type=click.Choice(CACHE_TYPES), default="f16", show_default=True, help="Type of the KV cache."
)
@click.option("--offload", default="auto", callback=offload, metavar="auto|N", help="Layers on cards.")
@click.option("--threads", type=click.IntRange(1, 4096), metavar="N", help="Threads, or the VM's processors.")
@click.option("--probe", type=_FILE, metavar="FILE", help="What pvekit llm probe wrote on that machine.")
@json_option
def command(
    *, model: str, quant: str | None, hardware: str | None, context: int, depths: tuple[int, ...], offload: str | int,
    threads: int | None, probe: Path | None, slots: int, cache: str, as_json: bool,
) -> None:  # fmt: skip
    """Say what a model will do on a machine.

    MODEL is a GGUF file, its address (only its head is read), or a shape such as qwen2.5-14b. The machine is a preset
    (z440, "RTX 3060", "Ryzen 9 5950X"), what pvekit llm probe wrote, or a few lines of YAML:

    \b
      cpu: Xeon E5-2680 v4
      memory: {channels: 4, populated: 2, megatransfers: 2400, size: 64 GiB}
      gpus: [P106-100]
    """  # noqa: D301
    import json
    from dataclasses import asdict

    from pvekit.cli import llm_show_predict
    from pvekit.workflows import llm_predict as work

    found = work.predicted(
        model, quant=quant, hardware=hardware, context=context, depths=depths or (0,), offload=offload,
        threads=threads, probe=str(probe) if probe else None, slots=slots, cache=cache,
    )  # fmt: skip
    click.echo(json.dumps(asdict(found), indent=2) if as_json else llm_show_predict.text(found))
