"""The commands of pvekit passthrough that change a host: plan, apply, confirm, rollback, status."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pvekit.cli.options import json_option, yes_option
from pvekit.cli.passthrough_options import FILE, address, host_options
from pvekit.model.pci import Bdf

if TYPE_CHECKING:
    from pvekit.model.event import Event
    from pvekit.passthrough.changes import Wish
    from pvekit.workflows.collect import Host
    from pvekit.workflows.repair import Repair

CHANGES = 2
"""Exit code of plan when there is something to do."""


def _addresses(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[Bdf, ...]:
    """Return the addresses."""
    return tuple(bdf for value in values if (bdf := address(ctx, param, value)) is not None)


def _wish(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what can be asked for; the function gets ``make``, which plans."""

    @functools.wraps(function)
    def wrapped(
        *, host: Host, root: str, vmid: int | None, device: Bdf | None, evidence: Path | None, **others: Any
    ) -> Any:  # fmt: skip
        wish = _wish_of(others)

        def make() -> Repair:
            from pvekit.workflows import repair

            return repair.plan(host, wish, vmid=vmid, device=device, bundle=evidence, root=root)

        return function(host=host, root=root, make=make, **others)

    for option in (
        click.option("--evidence", type=click.Path(exists=True, path_type=Path), metavar="BUNDLE",
                     help="What collect wrote before, instead of asking the host again."),
        click.option("--accept-loss", "accept", multiple=True, callback=_addresses, metavar="BDF",
                     help="The host can be without this device of the card's IOMMU group."),
        click.option("--blacklist", multiple=True, metavar="MODULE", help="Never load this module of the host."),
        click.option("--tidy", is_flag=True, help="Also take out options of old guides that do nothing or harm."),
        click.option("--pt", is_flag=True, help="Also set iommu=pt."),
        click.option("--binding", type=click.Choice(["auto", "ids", "override", "none"]), default="auto",
                     help="How the card is set aside: by its ids, by its address, or not at all."),
        click.option("--answers", "address", default="", metavar="ADDRESS",
                     help="With --trial: this host, or host:port, has to answer."),
        click.option("--trial", is_flag=True, help="A boot that undoes itself unless you confirm it (GRUB)."),
        click.option("--vm", "vmid", type=click.IntRange(100), metavar="VMID", help="The VM that gets the card."),
        click.option("--device", callback=address, metavar="BDF", help="The card, as lspci names it."),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped


def _wish_of(others: dict[str, Any]) -> Wish:
    from pvekit.passthrough.changes import Wish

    names = ("binding", "trial", "pt", "tidy", "blacklist", "address", "accept")
    return Wish(**{name: others.pop(name) for name in names})


@click.command()
@host_options
@_wish
@json_option
@click.option("-o", "--out", type=FILE, help="Write the change set here, for playbooks/passthrough.yml.")
def plan(host: Host, root: str, make: Callable[[], Repair], as_json: bool, out: Path | None) -> int:  # noqa: ARG001
    """Show what would be changed on a host for its card, and change nothing.

    HOST is [user@]address[:port], a node of the stack file, or local. Exit code 0: nothing to do, 2: changes, 8: the
    host would lose what it needs, 1 and others: errors.
    """
    from pvekit.cli import show_repair
    from pvekit.workflows import repair

    made = make()
    click.echo(show_repair.plan_json(made) if as_json else show_repair.plan_text(made))
    repair.refuse_losses(made)
    if out is not None:
        repair.write_changes(made, out)
    return 0 if made.changes.empty else CHANGES


@click.command()
@host_options
@_wish
@yes_option
@click.option("--reboot", is_flag=True, help="Restart the host when it is done.")
def apply(host: Host, root: str, make: Callable[[], Repair], yes: bool, reboot: bool) -> int:
    """Make the changes that plan shows.

    Every file's earlier content is written down first, on the host and here. An interrupted run goes on from where it
    was. The host is restarted only with --reboot.
    """
    from pvekit.cli import ask, show_repair
    from pvekit.workflows import repair

    if reboot:
        repair.refuse_restart_here(host)
    if repair.interrupted(host, root=root) is not None:
        click.echo("an earlier run was interrupted; it goes on from there", err=True)
        _, state, words = repair.resume(host, root=root)
        click.echo(words, err=True)
        if reboot:
            repair.restart(host, root=root, emit=_tell)
            state = repair.status(host, root=root)
        click.echo(show_repair.status_text(state))
        return 0
    made = make()
    click.echo(show_repair.plan_text(made))
    repair.refuse_losses(made)
    if made.changes.empty:
        return 0
    if not yes:
        ask.confirm("Make these changes?", instead="--yes")
    state = repair.apply(host, made, reboot=reboot, root=root, emit=_tell)
    click.echo(show_repair.status_text(state))
    return 0


def _tell(event: Event) -> None:
    """Show the playbook's tasks as they end."""
    from pvekit.model.event import Kind

    if event.kind in (Kind.DONE, Kind.FAIL):
        click.echo(f"{event.step}: {event.text}", err=True)


@click.command()
@host_options
@click.option("--leave", multiple=True, metavar="PATH", help="Keep this file as it is now.")
@yes_option
def rollback(host: Host, root: str, leave: tuple[str, ...], yes: bool) -> int:
    """Put every file back as it was before the last change set, to the byte.

    A file that somebody changed since is not overwritten: name it with --leave to keep it.
    """
    from pvekit.cli import ask, show_repair
    from pvekit.workflows import repair

    if not yes:
        ask.confirm(f"Take back the last change set on {host.name}?", instead="--yes")
    changed, state, words = repair.rollback(host, leave=leave, root=root)
    if words:
        click.echo(words, err=True)
    click.echo(show_repair.status_text(state) if changed else "there is nothing to take back")
    if changed:
        click.echo("it takes effect with the next start of the host")
    return 0


@click.command()
@host_options
def confirm(host: Host, root: str) -> int:
    """Keep what the trial boot showed: from now on every boot uses it."""
    from pvekit.cli import show_repair
    from pvekit.workflows import repair

    _, state, words = repair.confirm(host, root=root)
    if words:
        click.echo(words, err=True)
    click.echo(show_repair.status_text(state))
    return 0


@click.command()
@host_options
@json_option
def status(host: Host, root: str, as_json: bool) -> int:
    """Show how far the last change set on a host got.

    Exit code 0: nothing is open, 2: interrupted, or a trial that waits.
    """
    from pvekit.cli import show_repair
    from pvekit.workflows import repair

    state = repair.status(host, root=root)
    click.echo(show_repair.status_json(state) if as_json else show_repair.status_text(state))
    return CHANGES if state is not None and state.open else 0


COMMANDS = (plan, apply, confirm, rollback, status)
"""What the group adds."""
