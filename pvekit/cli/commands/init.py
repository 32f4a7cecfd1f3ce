"""pvekit init."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pvekit.model.stack.preset import Place


@click.command()
@click.option("--endpoint", help="For example https://192.168.1.2:8006. Asked for when left out.")
@click.option("--token", "token_id", help="The token's id, for example root@pam!pvekit. Asked for when left out.")
@click.option("--preset", type=click.Choice(["starter", "z440-home"]), default="starter", show_default=True)
@click.option("--name", default="home", show_default=True, help="The stack's name.")
@click.option("-o", "--out", type=click.Path(dir_okay=False), default="stack.yaml", show_default=True)
@click.option("--accept", metavar="FINGERPRINT", help="The SHA-256 fingerprint to accept, instead of the question.")
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
    url = endpoint or (click.prompt("Address of a node") if not offline else "https://pve.lan:8006")
    url = url if "//" in url else f"https://{url}:8006"
    who = token_id or (click.prompt("API token id", default="root@pam!pvekit") if not offline else "root@pam!pvekit")
    place = Place(endpoint=url, token_id=who, ssh_keys=_own_keys())
    if not offline:
        place = _looked(place, accept)
    init.write(out, preset, name, place)
    click.echo(f"wrote {out}. Next: read it, export PVEKIT_TOKEN, then: pvekit plan {out}")


def _looked(place: Place, accept: str | None) -> Place:
    """Pin the certificate, look at the server with the token, and return the place filled in."""
    from pvekit.workflows import init

    fingerprint = _pinned(place.endpoint, accept)
    secret = os.environ.get("PVEKIT_TOKEN") or click.prompt("Secret of the token", hide_input=True)
    seen = init.look(place.endpoint, fingerprint, place.token_id, secret)
    click.echo(f"Proxmox VE {seen.version}, nodes: {', '.join(seen.nodes) or 'none visible'}")
    if seen.lacking:
        click.echo(f"the token lacks: {', '.join(seen.lacking)}. As root on a node:")
        for line in seen.pveum:
            click.echo(f"  {line}")
        click.echo("(pvekit plan computes exactly what a stack needs, storages and bridges included)")
    if not seen.image_storages:
        click.echo("no storage takes disk images for import yet. As root: pvesm set local --content iso,vztmpl,import")
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


def _pinned(endpoint: str, accept: str | None) -> str:
    """Return the fingerprint that the person accepted."""
    from pvekit.workflows import init

    shown = init.certificate(endpoint)
    if accept is not None:
        from pvekit.adapters.pve import normal_fingerprint
        from pvekit.model.errors import FingerprintMismatch

        if normal_fingerprint(accept) != shown.fingerprint:
            raise FingerprintMismatch(endpoint, [normal_fingerprint(accept)], shown.fingerprint)
        return shown.fingerprint
    click.echo(f"certificate of {endpoint}:")
    click.echo(f"  subject {shown.subject}\n  issuer  {shown.issuer}\n  until   {shown.not_after:%Y-%m-%d}")
    click.echo(f"  SHA-256 {shown.fingerprint}")
    click.confirm("Is this what `pvenode cert info` shows on the node?", abort=True)
    return shown.fingerprint


def _own_keys() -> tuple[str, ...]:
    """Return the person's public keys as the stack file names them."""
    names = ("id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub")
    found = [name for name in names if (Path.home() / ".ssh" / name).is_file()]
    return tuple(f"file:~/.ssh/{name}" for name in found[:1])
