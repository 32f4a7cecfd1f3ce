"""pvekit plan."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.options import json_option, lab_option, only_option, stack_argument

if TYPE_CHECKING:
    from pvekit.workflows.session import Session

CHANGES = 2
"""Exit code when there is something to do."""


@click.command()
@stack_argument
@only_option
@lab_option
@json_option
@click.option("--provision", is_flag=True, help="Plan the playbooks even where their inputs did not change.")
@click.option("--restart", is_flag=True, help="Plan restarts of VMs whose changes wait for one.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan as JSON here.")
@click.option(
    "--recorded",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Plan against a recording that `pvekit record` made: no network, no token. Ends with 0 when the plan works.",
)
def command(
    stack: Path,
    only: tuple[str, ...],
    lab: bool,
    as_json: bool,
    provision: bool,
    restart: bool,
    out: Path | None,
    recorded: Path | None,
) -> int:
    """Show what would change, and why; change nothing.

    Exit code 0: nothing to do, 2: changes, 1 and others: errors.
    """
    from pvekit.cli import show
    from pvekit.workflows.planning import make_plan

    with _session(stack, lab=lab, recorded=recorded) as session:
        plan = make_plan(session, only=only, provision=provision, restart=restart).plan
    if out is not None:
        out.write_text(show.as_json(plan) + "\n")
    click.echo(show.as_json(plan) if as_json else show.plan_text(plan, budget=True))
    return 0 if plan.empty or recorded is not None else CHANGES


def _session(stack: Path, *, lab: bool, recorded: Path | None) -> AbstractContextManager[Session]:
    if recorded is None:
        from pvekit.workflows.session import open_session

        return open_session(stack, lab=lab)
    if lab:
        raise click.UsageError("--lab and --recorded exclude each other.")
    from pvekit.workflows.record import open_recorded

    return open_recorded(stack, recorded)
