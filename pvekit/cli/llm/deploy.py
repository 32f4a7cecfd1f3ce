"""pvekit llm deploy."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import yes_option

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("model", metavar="URL|FILE|SHAPE")
@click.option("--name", default="llm", show_default=True, help="Name of the VM and of its stack.")
@click.option("--sha256", help="The model's SHA-256 sum; needed with a URL.")
@click.option("--quant", help="Quantisation of a shape.")
@click.option("--memory", default="8GiB", show_default=True, help="The VM's memory.")
@click.option("--disk", default="20GiB", show_default=True, help="The VM's disk.")
@click.option("--cores", type=click.IntRange(1), default=4, show_default=True, help="The VM's processors.")
@click.option(
    "--context", "--ctx", type=click.IntRange(128), default=8192, show_default=True, help="Tokens of context."
)
@click.option("--lan", is_flag=True, help="Listen on the VM's network, not inside the guest only.")
@click.option("--like", type=_FILE, metavar="STACK", help="Take host and defaults from there. Default: embedded node.")
@click.option("--image", metavar="URL|RECIPE", help="The disk image. Default: built here, with llama.cpp in it.")
@click.option("--image-sha256", metavar="SUM", help="SHA-256 of an image by URL.")
@click.option("-o", "--out", type=_FILE, default="llm.yaml", show_default=True, help="The stack file to write.")
@click.option("--write-only", is_flag=True, help="Write the file, and do nothing else.")
@yes_option
@click.pass_context
def command(
    context: click.Context, /, *, model: str, out: Path, write_only: bool, yes: bool, **words: object
) -> int:  # fmt: skip
    """Serve a model from a new VM.

    Writes a stack file with one VM of kind llama, shows the plan, and brings it up. From then on the file is the place
    for changes: pvekit up applies them. SHAPE makes a model up, to measure a machine without a download.
    """
    from pvekit.cli.commands.up import command as up
    from pvekit.cli.hints import remember
    from pvekit.workflows.llm_deploy import Asked, write

    write(out, Asked(model=model, **words))  # type: ignore[arg-type]
    click.echo(f"wrote {out}")
    if write_only:
        click.echo(f"next: pvekit up {out}")
        return 0
    stack = remember(context, up.params[0], out)
    done: int = context.invoke(
        up, stack=stack, only=(), lab=False, yes=yes, as_json=False, provision=False, restart=False, reboot_nodes=False
    )
    return done
