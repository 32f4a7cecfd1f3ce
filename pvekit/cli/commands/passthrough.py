"""pvekit passthrough."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pvekit.cli import passthrough_repair, passthrough_view
from pvekit.cli.options import json_option
from pvekit.model.pci import Bdf

if TYPE_CHECKING:
    from pvekit.workflows.collect import Host

_FILE = click.Path(dir_okay=False, path_type=Path)


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> Bdf | None:
    """Return the address."""
    try:
        return None if value is None else Bdf.parse(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}. Write it as lspci does: 01:00.0 or 0000:01:00.0", ctx, param) from error


Reach = Callable[[str], "Host"]
"""Makes a Host of a name, with the options of the command line."""


def _reach(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a host is reached; the function gets them as ``reach``."""

    @functools.wraps(function)
    def wrapped(*, host_key: str, key: Path | None, sudo: bool, stack: Path | None, **others: Any) -> Any:
        from pvekit.workflows.collect import Host

        def reach(name: str) -> Host:
            return Host(name, host_key, key, sudo, stack)

        return function(reach=reach, **others)

    for option in (
        click.option("-s", "--stack", type=_FILE, help="HOST is a node of this stack file (host: ssh: nodes:)."),
        click.option("--sudo", is_flag=True, help="Use sudo there; it has to work without a password."),
        click.option("--key", type=_FILE, help="The private key to log in with. Default: the ssh-agent, or your own."),
        click.option("--host-key", metavar="LINE", default="", help="The host's public key. Default: known_hosts."),
    ):
        wrapped = option(wrapped)
    return wrapped


@click.group()
def command() -> None:
    """Find out why a GPU does not reach its VM.

    What is known of a host is a bundle: a folder, an archive or one text file with whatever there is of dmesg,
    lspci, IOMMU groups, VM configurations and task logs.
    """


@command.command()
@click.argument("name", metavar="HOST")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="BUNDLE", help="The archive to write.")
@click.option("--no-redact", is_flag=True, help="Keep host names, addresses, serial numbers and keys.")
@_reach
def collect(name: str, out: Path | None, no_redact: bool, reach: Reach) -> None:
    """Write down what a host says about its devices.

    HOST is [user@]address[:port], a node of the stack file, or local. Nothing is changed there. Names, addresses,
    serial numbers and keys are replaced, always in the same way. An ordinary user gets what an ordinary user may read.
    """
    from datetime import UTC, datetime

    from pvekit.cli import show_collected
    from pvekit.workflows import collect as work

    path = out or Path(f"passthrough-{datetime.now(UTC):%Y-%m-%d}.tar.gz")
    work.refuse_existing(path)
    bundle = work.collect(reach(name))
    count = work.save(bundle, path, redact=not no_redact)
    click.echo(show_collected.text(path, count, bundle.left_out, redacted=not no_redact))


@command.command()
@click.argument("bundle", metavar="BUNDLE|HOST")
@click.option("--vm", "vmid", type=click.IntRange(100), metavar="VMID", help="The VM that gets the card.")
@click.option("--device", callback=_address, metavar="BDF", help="The card, as lspci names it.")
@click.option("--all", "every", is_flag=True, help="Show what is in order and what could not be judged as well.")
@json_option
@_reach
def diagnose(bundle: str, vmid: int | None, device: Bdf | None, every: bool, as_json: bool, reach: Reach) -> int:
    """Name the one root cause, with its evidence.

    What is no file or folder here is a host to look at now, as in collect. Exit code 0: healthy, 1: broken, 2: not
    enough evidence.
    """
    from pvekit.cli import show_diagnosis
    from pvekit.workflows import collect as work
    from pvekit.workflows import passthrough

    if Path(bundle).exists():
        found = passthrough.diagnose(Path(bundle), vmid=vmid, device=device)
    elif _is_path(bundle):
        raise click.UsageError(f"There is no file or folder {bundle}.")
    else:
        found = passthrough.judged(work.collect(reach(bundle)), vmid=vmid, device=device)
    if as_json:
        click.echo(show_diagnosis.diagnosis_json(found.diagnosis, found.unread))
    else:
        click.echo(show_diagnosis.diagnosis_text(found.diagnosis, found.unread, every=every))
    return found.diagnosis.verdict.value


def _is_path(text: str) -> bool:
    """Tell a mistyped path from a host."""
    return "/" in text or "\\" in text or text.endswith((".gz", ".tgz", ".tar", ".zip", ".txt", ".log"))


@command.command()
@click.argument("check", required=False, metavar="[ID]")
def explain(check: str | None) -> None:
    """Show a check's page; without an id, list all checks."""
    from pvekit.cli import show
    from pvekit.passthrough.checks import all_checks
    from pvekit.workflows.passthrough import check_of

    if check is None:
        rows = [[item.id, item.layer.value, item.title] for item in all_checks()]
        click.echo(show.table(("ID", "LAYER", "CAUSE"), rows))
        return
    found = check_of(check)
    click.echo(click.style(f"{found.id}: {found.title}", bold=True))
    click.echo(f"layer: {found.layer.value}\n\n{found.page}\n\nsources:")
    for source in found.sources:
        click.echo(f"  {source}")


for each in (passthrough_view.map_command, passthrough_view.blast, *passthrough_repair.COMMANDS):
    command.add_command(each)
