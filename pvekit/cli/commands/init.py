"""pvekit init."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvekit.model.stack.preset import Place
    from pvekit.workflows.init import Seen

_ENDPOINT, _TOKEN = "https://pve.lan:8006", "root@pam!pvekit"


@click.command()
@click.option("--endpoint", metavar="URL", help="For example https://192.168.1.2:8006. Asked for when left out.")
@click.option("--token", "token_id", metavar="ID", help=f"The token's id, such as {_TOKEN}. Asked for when left out.")
@click.option("--preset", type=click.Choice(["starter", "z440-home"]), default="starter", show_default=True)
@click.option("--name", default="home", show_default=True, help="The stack's name.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), default="stack.yaml", show_default=True)
@click.option("--accept", metavar="SHA256", help="The certificate's fingerprint, instead of the question.")
@click.option("--offline", is_flag=True, help="Ask no server; write the file with its defaults.")
def command(
    endpoint: str | None, token_id: str | None, preset: str, name: str, out: str, accept: str | None, offline: bool
) -> None:
    """Write a first stack file.

    Shows the server's certificate and pins it, checks what the API token may do, and offers what the server has. The
    token's secret is read from PVEKIT_TOKEN, or asked for; it is not written anywhere.
    """
    from pvekit.model.stack.preset import Place
    from pvekit.workflows import init

    if Path(out).exists():
        raise click.UsageError(f"{out} exists: name another file with --out, or move it away")
    place = Place(
        endpoint=init.normal_endpoint(endpoint or _asked("Address of a node", "--endpoint", _ENDPOINT, offline)),
        token_id=token_id or _asked("API token id", "--token", _TOKEN, offline, default=_TOKEN),
        ssh_keys=_own_keys(),
    )
    wrong = init.problems(name, place)
    if wrong:
        raise click.UsageError("\n".join(wrong))
    if not offline:
        place = _looked(place, accept)
    init.write(out, preset, name, place)
    if not place.ssh_keys:
        click.echo("no SSH key of yours in ~/.ssh: pvekit ssh logs in with pvekit's own")
    click.echo(f"wrote {out}. Next: read it, export PVEKIT_TOKEN, then: pvekit plan {out}")


def _asked(question: str, option: str, offline_default: str, offline: bool, default: str | None = None) -> str:
    from pvekit.cli import ask

    return offline_default if offline else ask.text(question, instead=option, default=default)


def _looked(place: Place, accept: str | None) -> Place:
    """Pin the certificate, look at the server with the token, and return the place filled in."""
    from pvekit.cli import ask
    from pvekit.workflows import init

    fingerprint = _pinned(place.endpoint, accept)
    secret = os.environ.get("PVEKIT_TOKEN") or ask.text(
        "Secret of the token", instead="the environment variable PVEKIT_TOKEN", hide=True
    )
    seen = init.look(place.endpoint, fingerprint, place.token_id, secret)
    _tell(seen)
    return replace(
        place,
        fingerprint=fingerprint,
        storage=init.first(seen.disk_storages, "local-lvm"),
        iso_storage=init.first(seen.iso_storages, "local"),
        image_storage=init.first(seen.image_storages, "local"),
        bridge=init.first(seen.bridges, "vmbr0"),
        nodes=seen.nodes,
        storages=seen.disk_storages,
        bridges=seen.bridges,
    )


def _tell(seen: Seen) -> None:
    click.echo(f"Proxmox VE {seen.version}, nodes: {', '.join(seen.nodes) or 'none visible'}")
    if seen.lacking:
        click.echo(f"the token lacks: {', '.join(seen.lacking)}. As root on a node:")
        for line in seen.pveum:
            click.echo(f"  {line}")
        click.echo("(pvekit plan computes exactly what a stack needs, storages and bridges included)")
    if seen.disk_storages and not seen.image_storages:
        click.echo("no storage takes disk images for import yet. As root: pvesm set local --content iso,vztmpl,import")


def _pinned(endpoint: str, accept: str | None) -> str:
    """Return the fingerprint that the person accepted."""
    from pvekit.adapters.pve import normal_fingerprint
    from pvekit.cli.ask import confirm
    from pvekit.model.errors import FingerprintMismatch
    from pvekit.workflows import init

    try:
        accepted = normal_fingerprint(accept) if accept is not None else None
    except ValueError as error:
        raise click.UsageError(f"--accept: {error}") from error
    shown = init.certificate(endpoint)
    if accepted is not None:
        if accepted != shown.fingerprint:
            raise FingerprintMismatch(endpoint, [accepted], shown.fingerprint)
        return shown.fingerprint
    click.echo(f"certificate of {endpoint}:")
    click.echo(f"  subject {shown.subject}\n  issuer  {shown.issuer}\n  until   {shown.not_after:%Y-%m-%d}")
    click.echo(f"  SHA-256 {shown.fingerprint}")
    confirm("Is this what `pvenode cert info` shows on the node?", instead="--accept SHA256")
    return shown.fingerprint


def _own_keys() -> tuple[str, ...]:
    """Return the person's public key as the stack file names it."""
    names = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
    found = [name for name in names if (Path.home() / ".ssh" / name).is_file()]
    return tuple(f"file:~/.ssh/{name}" for name in found[:1])
