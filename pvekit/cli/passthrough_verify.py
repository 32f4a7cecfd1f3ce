"""pvekit passthrough verify."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pvekit.cli.options import json_option, yes_option
from pvekit.cli.passthrough_options import address, host_options
from pvekit.model.pci import Bdf

if TYPE_CHECKING:
    from pvekit.model.event import Event
    from pvekit.workflows.collect import Host
    from pvekit.workflows.verify import Guest

_CYCLES = 2
_MOST = 50


@click.command()
@host_options
@click.option("--vm", "vmid", type=click.IntRange(100), metavar="VMID", help="The VM that gets the card.")
@click.option("--device", callback=address, metavar="BDF", help="The card, as lspci names it.")
@click.option("--guest", default="", metavar="NAME", help="Also look into this VM of the stack file.")
@click.option("--cycles", type=click.IntRange(1, _MOST), help="How often. With --guest: stop and start the VM, too.")
@click.option("--evidence", type=click.Path(exists=True, path_type=Path), hidden=True, help="Stands for the host.")
@json_option
@yes_option
def verify(
    *, host: Host, root: str, vmid: int | None, device: Bdf | None, guest: str, cycles: int | None,
    evidence: Path | None, as_json: bool, yes: bool,
) -> int:  # fmt: skip
    """Prove that a prepared host holds, and keep the record.

    Asks the host as diagnose does. Then uses the card as a VM would: opens it by VFIO, maps its memory, resets it,
    closes it, twice or --cycles times. With --guest it looks into the VM: the device, its memory, its driver, the
    kernel log, a compute job; with --cycles it stops and starts the VM that often. Exit code 0: proven, 1: broken, 2:
    not enough evidence.
    """
    from pvekit.cli import ask, show_proof
    from pvekit.workflows import verify as work

    inside = _guest(host, guest, cycles)
    if inside is not None and inside.starts and not yes:
        ask.confirm(f"Stop and start {guest} {inside.starts} times?", instead="--yes")
    found = work.verify(host, vmid=vmid, device=device, cycles=cycles or _CYCLES, guest=inside, emit=_tell,
                        evidence=evidence, root=root)  # fmt: skip
    click.echo(show_proof.proof_json(found) if as_json else show_proof.proof_text(found))
    return found.held.value


def _guest(host: Host, name: str, cycles: int | None) -> Guest | None:
    from pvekit.workflows.verify import Guest

    if not name:
        return None
    if host.stack is None:
        raise click.UsageError("--guest needs the stack file that has the VM: -s stack.yaml")
    return Guest(name, host.stack, cycles or 0)


def _tell(event: Event) -> None:
    """Show what is done with the VM."""
    from pvekit.model.event import Kind

    if event.kind in (Kind.DONE, Kind.FAIL):
        seconds = "" if event.seconds is None else f" ({event.seconds:.0f} s)"
        click.echo(f"{event.vm}: {event.step}{f': {event.text}' if event.text else ''}{seconds}", err=True)
