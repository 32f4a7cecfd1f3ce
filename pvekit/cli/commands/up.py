"""pvekit up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.options import json_option, lab_option, only_option, stack_argument, yes_option

if TYPE_CHECKING:
    from pvekit.workflows.up import Report


@click.command()
@stack_argument
@only_option
@lab_option
@yes_option
@json_option
@click.option("--provision", is_flag=True, help="Run the playbooks even where their inputs did not change.")
@click.option("--restart", is_flag=True, help="Restart VMs whose changes wait for one.")
def command(
    stack: Path, only: tuple[str, ...], lab: bool, yes: bool, as_json: bool, provision: bool, restart: bool
) -> int:
    """Make the VMs as the stack file says: plan, ask, do, verify.

    Running it again does nothing. After an interruption it continues where it was.
    """
    from pvekit.cli import show
    from pvekit.cli.progress import progress
    from pvekit.workflows.planning import make_plan
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        planned = make_plan(session, only=only, provision=provision, restart=restart)
        if as_json:
            click.echo(json.dumps({"event": "plan", "plan": json.loads(show.as_json(planned.plan))}))
        else:
            click.echo(show.plan_text(planned.plan))
        if planned.plan.empty:
            return 0
        if not yes:
            click.confirm("\nDo this?", abort=True)
        # Not before: it loads Ansible and paramiko, which a run without changes never needs.
        from pvekit.workflows.up import carry_out

        with progress(as_json=as_json) as emit:
            report = carry_out(session, planned, emit, only=only)
    return _report(report, as_json=as_json)


def _report(report: Report, *, as_json: bool) -> int:
    from pvekit.cli import show
    from pvekit.cli.main import show_error

    if as_json:
        rows = [json.loads(show.as_json(reach)) for reach in report.reached]
        left = [action.id for action in report.left.actions] if report.left else None
        failed = [{"vm": o.step.vm, "step": o.step.title, "error": str(o.error)} for o in report.failed]
        click.echo(json.dumps({"event": "end", "reached": rows, "left": left, "failed": failed}))
    elif report.reached:
        click.echo()
        rows = [[r.vm, str(r.vmid), r.node, f"ssh {r.user}@{r.address}"] for r in report.reached]
        click.echo(show.table(("VM", "VMID", "NODE", "REACHED BY"), rows))
        click.echo("(pvekit ssh VM logs in with the right key and the pinned host key)")
    for outcome in report.failed:
        if outcome.error is not None:
            show_error(outcome.error)
    if report.error is not None:
        skipped = sum(1 for o in report.outcomes if o.fate.value in ("skipped", "cancelled"))
        click.echo(f"{skipped} steps were not done. Run the same command again: it continues where it was.", err=True)
        return report.error.code
    if report.left is not None and not report.left.empty:
        click.echo("the server made something else of it than asked; what a new plan finds:", err=True)
        click.echo(show.plan_text(report.left), err=True)
        return 1
    return 0
