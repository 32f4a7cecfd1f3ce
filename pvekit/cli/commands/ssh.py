"""pvekit ssh."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pvekit.cli.options import lab_option, stack_option


@click.command(context_settings={"ignore_unknown_options": True})
@stack_option
@lab_option
@click.argument("vm")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(stack: Path, lab: bool, vm: str, arguments: tuple[str, ...]) -> None:
    """Log in to a VM, or run a command in it.

    With the right key and the pinned host key. Options of ssh's command go after --: pvekit ssh web -- df -h
    """
    from pvekit.workflows.access import ssh_argv
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        argv = ssh_argv(session, vm, arguments)
    os.execvp(argv[0], argv)  # noqa: S606 - replaces this process with ssh; no shell
