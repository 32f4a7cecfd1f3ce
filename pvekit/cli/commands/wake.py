"""pvekit wake."""

from __future__ import annotations

from pathlib import Path

import click

from pvekit.cli.options import stack_option


@click.command()
@stack_option
@click.option("--to", metavar="ADDRESS", help="Where the packet goes: a broadcast or a single address.")
@click.option("--port", type=click.IntRange(1, 65535), default=9, show_default=True, help="UDP port.")
@click.option("--wait", is_flag=True, help="Wait until the API answers.")
@click.option("--within", type=click.IntRange(1), default=300, show_default=True, help="Longest wait in seconds.")
@click.argument("node", required=False, metavar="[NODE|MAC]")
def command(stack: Path, to: str | None, port: int, wait: bool, within: int, node: str | None) -> None:
    """Switch a node on by Wake-on-LAN.

    The card's address is given, or the one that "pvekit power" learned while the node was on. The packet goes to
    all machines of this network unless --to says otherwise.
    """
    from pvekit.model.power import parse_mac
    from pvekit.workflows.session import open_session, read_stack
    from pvekit.workflows.wake import mac_of, send, wait_for_api

    mac = parse_mac(node) if node is not None else None
    name = "the machine"
    if mac is None:
        name, mac = mac_of(read_stack(stack).name, node)
    send(mac, to, port)
    click.echo(f"sent to wake {name} ({mac})")
    if not wait:
        return
    with open_session(stack) as session:
        seconds = wait_for_api(session, within)
    click.echo(f"the API answers (after {seconds:.0f} s)")
