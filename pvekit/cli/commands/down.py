"""pvekit down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.options import events_option, lab_option, only_option, stack_argument

if TYPE_CHECKING:
    from pvekit.engine import Outcome
    from pvekit.workflows.down import Removal


@click.command()
@stack_argument
@only_option
@lab_option
@events_option
@click.option("--unprotect", is_flag=True, help="Remove protected VMs as well.")
@click.option("--confirm", metavar="NAME", help="The stack's name, given here instead of typed.")
def command(stack: Path, only: tuple[str, ...], lab: bool, as_json: bool, unprotect: bool, confirm: str | None) -> int:
    """Remove the VMs of a stack, with their disks.

    Lists every volume that is freed and every one that stays, and asks for the stack's name. VMs that do not carry
    the stack's tags are never touched.
    """
    from pvekit.cli import show
    from pvekit.cli.interrupt import stoppable
    from pvekit.cli.progress import progress
    from pvekit.workflows.down import check_protection, plan_removal, remove
    from pvekit.workflows.session import open_session

    with open_session(stack, lab=lab) as session:
        removal = plan_removal(session, only=only)
        if as_json:
            click.echo(json.dumps({"event": "removal", "removal": json.loads(show.as_json(removal))}))
        else:
            click.echo(_text(removal))
        if removal.empty:
            return 0
        check_protection(removal, unprotect=unprotect)
        _ask(removal.stack, confirm)
        with stoppable() as stop, progress(as_json=as_json) as emit:
            outcomes = remove(session, removal, emit, unprotect=unprotect, stop=stop)
    return _ending(outcomes, as_json=as_json)


def _ask(name: str, typed: str | None) -> None:
    from pvekit.cli import ask
    from pvekit.model.errors import PvekitError

    if typed is None:
        typed = ask.text("Type the stack's name to remove all this", instead=f"--confirm {name}", default="")
    if typed != name:
        raise PvekitError(f"that is not the stack's name ({name}): nothing was removed")


def _ending(outcomes: tuple[Outcome, ...], *, as_json: bool) -> int:
    from pvekit.cli.interrupt import INTERRUPTED
    from pvekit.cli.main import show_error
    from pvekit.engine import Fate

    failed = [outcome.error for outcome in outcomes if outcome.error is not None]
    cancelled = any(outcome.fate is Fate.CANCELLED for outcome in outcomes)
    code = failed[0].code if failed else INTERRUPTED if cancelled else 0
    if as_json:
        click.echo(json.dumps({"event": "end", "code": code, "failed": [str(error) for error in failed]}))
    for error in failed:
        show_error(error)
    if cancelled:
        click.echo("stopped; some of it is still there. Run pvekit down again.", err=True)
    return code


def _text(removal: Removal) -> str:
    notes = [f"note: {note}" for note in removal.notes]
    if removal.empty:
        return "\n".join([f"{removal.stack}: nothing to remove.", *notes])
    lines = [f"{removal.stack}: would remove"]
    for doomed in removal.vms:
        state = ", running" if doomed.row.running else ""
        protected = ", PROTECTED" if doomed.protected else ""
        stray = "" if doomed.in_file else ", not in the stack file"
        lines.append(f"  {doomed.vm} (VMID {doomed.row.vmid} on {doomed.row.node}{state}{protected}{stray})")
        lines += [f"      freed: {volume}" for volume in doomed.freed]
        lines += [f"      stays: {volume} ({why})" for volume, why in doomed.kept]
    lines += [f"  seed {volid} on {node}" for node, volid in removal.seeds]
    lines += [f"  resource mapping {name}" for name in removal.mappings]
    for take in removal.undone:
        lines.append(f"  {take.name}{f' of {take.vm}' if take.vm else ''}, undone on {take.node}")
        lines += [f"      {path}" for path in sorted(take.seen)]
        lines += [f"      {path}: back to {value}" for path, value in sorted(take.before.items())]
    return "\n".join([*lines, *notes])
