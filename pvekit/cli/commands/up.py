"""pvekit up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.options import events_option, lab_option, only_option, stack_argument, yes_option

if TYPE_CHECKING:
    from pvekit.workflows.planning import Planned
    from pvekit.workflows.session import Session
    from pvekit.workflows.up import Report


@click.command()
@stack_argument
@only_option
@lab_option
@yes_option
@events_option
@click.option("--provision", is_flag=True, help="Run the playbooks even where their inputs did not change.")
@click.option("--restart", is_flag=True, help="Restart VMs whose changes wait for one.")
@click.option("--reboot-nodes", is_flag=True, help="Restart nodes that need it before VMs can get their cards.")
def command(
    stack: Path,
    only: tuple[str, ...],
    lab: bool,
    yes: bool,
    as_json: bool,
    provision: bool,
    restart: bool,
    reboot_nodes: bool,
) -> int:
    """Make the VMs as the stack file says: plan, ask, do, verify.

    Running it again does nothing. After an interruption it continues where it was.
    """
    from pvekit.cli import show
    from pvekit.cli.ask import confirm
    from pvekit.workflows.planning import check_root_steps, make_plan
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        planned = make_plan(session, only=only, provision=provision, restart=restart, reboot_nodes=reboot_nodes)
        if as_json:
            click.echo(json.dumps({"event": "plan", "plan": json.loads(show.as_json(planned.plan))}))
        else:
            click.echo(show.plan_text(planned.plan))
        if planned.plan.empty:
            return 0
        check_root_steps(session, planned.plan)
        if not yes:
            confirm("\nDo this?", instead="--yes")
        report = _carried_out(session, planned, only, as_json=as_json)
    return _report(report, as_json=as_json)


def _carried_out(session: Session, planned: Planned, only: tuple[str, ...], *, as_json: bool) -> Report:
    from pvekit.cli.interrupt import stoppable
    from pvekit.cli.progress import progress

    # Not before: it loads Ansible and paramiko, which a run without changes never needs.
    from pvekit.workflows.up import carry_out

    with stoppable() as stop, progress(as_json=as_json) as emit:
        return carry_out(session, planned, emit, only=only, stop=stop)


def _report(report: Report, *, as_json: bool) -> int:
    from pvekit.cli import show
    from pvekit.cli.hints import complete
    from pvekit.cli.main import show_error

    if as_json:
        click.echo(json.dumps(_end(report)))
    elif report.reached:
        click.echo()
        rows = [[r.vm, str(r.vmid), r.node, f"ssh {r.user}@{r.address}"] for r in report.reached]
        click.echo(show.table(("VM", "VMID", "NODE", "REACHED BY"), rows))
        click.echo(complete("(pvekit ssh VM logs in with the right key and the pinned host key)"))
    for outcome in report.failed:
        if outcome.error is not None:
            show_error(outcome.error)
    if report.error is not None:
        undone = sum(1 for o in report.outcomes if o.fate.value in ("skipped", "cancelled"))
        steps = f"{undone} step{' was' if undone == 1 else 's were'} not done. " if undone else ""
        click.echo(f"{steps}Run the same command again: it continues where it was.", err=True)
        return report.error.code
    if report.left is not None and not report.left.empty:
        click.echo("the server made something else of it than asked; what a new plan finds:", err=True)
        click.echo(show.plan_text(report.left), err=True)
        return 1
    return 0


def _end(report: Report) -> dict[str, object]:
    """Return the last event of a run."""
    from pvekit.cli import show

    return {
        "event": "end",
        "code": report.error.code if report.error else 0,
        "reached": [json.loads(show.as_json(reach)) for reach in report.reached],
        "left": [action.id for action in report.left.actions] if report.left else None,
        "failed": [
            {"vm": o.step.vm, "step": o.step.title, "error": str(o.error), "next": o.error.hint if o.error else ""}
            for o in report.failed
        ],
    }
