"""Options that the passthrough commands share: the card, and how a host is reached."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pvekit.model.pci import Bdf

if TYPE_CHECKING:
    from pvekit.workflows.collect import Host

FILE = click.Path(dir_okay=False, path_type=Path)


def address(ctx: click.Context, param: click.Parameter, value: str | None) -> Bdf | None:
    """Return the address."""
    try:
        return None if value is None else Bdf.parse(value)
    except ValueError as error:
        raise click.BadParameter(f"{error}. Write it as lspci does: 01:00.0 or 0000:01:00.0", ctx, param) from error


Reach = Callable[[str], "Host"]
"""Makes a Host of a name, with the options of the command line."""

stack_option = click.option("-s", "--stack", type=FILE, help="HOST is a node of this stack file (host: ssh: nodes:).")
key_option = click.option(
    "--key", type=FILE, help="The private key to log in with. Default: the ssh-agent, or your own."
)
host_key_option = click.option(
    "--host-key", metavar="LINE", default="", help="The host's public key. Default: known_hosts."
)


def reach_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how a host is reached; the function gets them as ``reach``."""

    @functools.wraps(function)
    def wrapped(*, host_key: str, key: Path | None, sudo: bool, stack: Path | None, **others: Any) -> Any:
        from pvekit.workflows.collect import Host

        def reach(name: str) -> Host:
            return Host(name, host_key, key, sudo, stack)

        return function(reach=reach, **others)

    for option in (
        stack_option,
        click.option("--sudo", is_flag=True, help="Use sudo there; it has to work without a password."),
        key_option,
        host_key_option,
    ):
        wrapped = option(wrapped)
    return wrapped


def host_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add HOST and how root is reached there; the function gets it as ``host``, and ``root`` for tests."""

    @functools.wraps(function)
    def wrapped(*, name: str, host_key: str, key: Path | None, stack: Path | None, **others: Any) -> Any:
        from pvekit.workflows.collect import HERE, Host

        return function(host=Host(name, host_key, key, name != HERE and not _is_root(name), stack), **others)

    for option in (
        click.option("--root", default="", hidden=True, help="Work on a tree there instead of the host itself."),
        stack_option,
        key_option,
        host_key_option,
        click.argument("name", metavar="HOST"),
    ):
        wrapped = option(wrapped)
    return wrapped


def _is_root(name: str) -> bool:
    user, at, _ = name.rpartition("@")
    return not at or user == "root"
