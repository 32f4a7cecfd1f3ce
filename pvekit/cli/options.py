"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

stack_argument = click.argument("stack", type=click.Path(dir_okay=False, path_type=Path))
stack_option = click.option(
    "-s",
    "--stack",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="PVEKIT_STACK",
    default="stack.yaml",
    show_default=True,
    show_envvar=True,
    help="The stack file.",
)
only_option = click.option("--only", metavar="VM", multiple=True, help="Only this VM; may be given several times.")
lab_option = click.option("--lab", is_flag=True, help="Use the embedded node, whatever host the stack names.")
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
