"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.hints import DEFAULT, remember

_FILE = click.Path(dir_okay=False, path_type=Path)

stack_argument = click.argument("stack", type=_FILE, envvar="PVEKIT_STACK", default=DEFAULT, callback=remember)
"""The stack file; without it ``stack.yaml`` in the working folder, or what PVEKIT_STACK names."""
stack_option = click.option(
    "-s",
    "--stack",
    type=_FILE,
    envvar="PVEKIT_STACK",
    default=DEFAULT,
    callback=remember,
    show_default=True,
    show_envvar=True,
    help="The stack file.",
)
only_option = click.option("--only", metavar="VM", multiple=True, help="Only this VM; may be given several times.")
lab_option = click.option("--lab", is_flag=True, help="Use the embedded node, whatever host the stack names.")
json_option = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
events_option = click.option("--json", "as_json", is_flag=True, help="One JSON object per line and event.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
