"""pvekit passthrough."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli import passthrough_repair, passthrough_verify, passthrough_view, passthrough_watch
from pvekit.cli.options import json_option
from pvekit.cli.passthrough_options import FILE, Reach, address, reach_options
from pvekit.model.pci import Bdf


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
@reach_options
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
@click.option("--device", callback=address, metavar="BDF", help="The card, as lspci names it.")
@click.option("--all", "every", is_flag=True, help="Show what is in order and what could not be judged as well.")
@click.option("--html", type=FILE, metavar="FILE", help="Also write one page of HTML, redacted.")
@json_option
@reach_options
def diagnose(
    bundle: str, vmid: int | None, device: Bdf | None, every: bool, html: Path | None, as_json: bool, reach: Reach
) -> int:  # fmt: skip
    """Name the one root cause, with its evidence.

    What is no file or folder here is a host to look at now, as in collect. Exit code 0: healthy, 1: broken, 2: not
    enough evidence.
    """
    from pvekit.adapters.bundle import read_bundle
    from pvekit.cli import show_diagnosis
    from pvekit.workflows import passthrough

    # What only some ways need is a third of the time of all.
    if html is not None:
        from pvekit.workflows import passthrough_report

        passthrough_report.refuse_existing(html)
    live = not Path(bundle).exists()
    if not live:
        evidence = read_bundle(Path(bundle))
    elif is_path(bundle):
        raise click.UsageError(f"There is no file or folder {bundle}.")
    else:
        from pvekit.workflows import collect as work
        from pvekit.workflows.watch import with_baseline

        host = reach(bundle)
        evidence = with_baseline(host, work.collect(host))
    found = passthrough.judged(evidence, vmid=vmid, device=device)
    if as_json:
        click.echo(show_diagnosis.diagnosis_json(found.diagnosis, found.unread))
    else:
        click.echo(show_diagnosis.diagnosis_text(found.diagnosis, found.unread, every=every))
    if html is not None:
        from datetime import UTC, datetime

        today = f"{datetime.now(UTC):%Y-%m-%d}"
        passthrough_report.save(evidence, html, when=today, vmid=vmid, device=device, live=live)
        click.echo(f"{html}: the page, redacted", err=True)
    return found.diagnosis.verdict.value


def is_path(text: str) -> bool:
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


for each in (passthrough_view.map_command, passthrough_view.blast, *passthrough_repair.COMMANDS,
             passthrough_verify.verify, passthrough_watch.watch):  # fmt: skip
    command.add_command(each)
