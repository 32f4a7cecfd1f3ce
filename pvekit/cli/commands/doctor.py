"""pvekit doctor."""

from __future__ import annotations

import click

from pvekit.cli.options import json_option


@click.group()
def command() -> None:
    """Look for what is missing or wrong."""


@command.command()
@json_option
def env(as_json: bool) -> int:
    """Say what this machine lacks, and what installs it.

    Exit code 1 when something is missing. All but ssh is for the embedded node only.
    """
    from pvekit.cli import show
    from pvekit.workflows.doctor import environment

    checks = environment()
    missing = [check for check in checks if not check.ok]
    if as_json:
        click.echo(show.as_json(checks))
    else:
        rows = [["ok" if c.ok else "MISSING", c.what, c.found, c.why] for c in checks]
        click.echo(show.table(("", "WHAT", "FOUND", "FOR"), rows))
        fixes = dict.fromkeys(check.fix for check in missing)
        packages = [fix.removeprefix("apt-get install ") for fix in fixes if fix.startswith("apt-get install ")]
        if packages:
            click.echo(f"\ninstall: sudo apt-get install {' '.join(sorted(packages))}")
        for fix in fixes:
            if not fix.startswith("apt-get install "):
                click.echo(f"\n{fix}")
    return 1 if missing else 0
