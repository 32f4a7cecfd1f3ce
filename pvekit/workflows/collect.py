"""Passthrough: asks a host for the evidence, over SSH or here, and writes it down as a bundle."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pvekit.model.bundle import Bundle
from pvekit.model.errors import Conflict, HostUnreachable, NotFound, PreflightRefused, TaskFailed

if TYPE_CHECKING:
    from pvekit.adapters.nodessh import NodeDoor
    from pvekit.adapters.sshkeys import HostKey

HERE = "local"
"""The HOST that means this machine."""
_ATTEMPT_SECONDS = 15.0
_KEY_FILES = ("id_ed25519", "id_ecdsa", "id_rsa")
_HOST = re.compile(
    r"(?:(?P<user>[A-Za-z_][\w.-]*)@)?(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%\w+)?)\]|(?P<name>\w[\w.-]*))(?::(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True, slots=True)
class Host:
    """Whom to ask, and how. ``name`` is ``local``, a node of ``stack``, or ``[user@]address[:port]``.

    ``host_key`` is a line of a ``.pub`` file (empty: what the user's known_hosts say), ``key`` a private key's file.
    """

    name: str
    host_key: str = ""
    key: Path | None = None
    sudo: bool = False
    stack: Path | None = None


def collect(host: Host) -> Bundle:
    """Return everything that a host tells about its devices, not redacted. Nothing is changed there.

    Raises HostUnreachable, HostKeyMismatch, SecretUnavailable, PreflightRefused, NotFound, TaskFailed, StackInvalid.
    """
    from pvekit.adapters.collect import collect_from, collect_here

    if host.name == HERE:
        if host.sudo:
            raise PreflightRefused(["--sudo is for other hosts"], hint="Run pvekit itself with sudo.")
        return collect_here()
    from pvekit.adapters.sshkeys import HostKeyMismatch

    node = _node(host)
    door = node or _door(host)
    try:
        return collect_from(door)
    except HostKeyMismatch as error:
        if node is None:
            error.hint = (
                "If the host was installed again, compare its key on its own console (ssh-keygen -lf "
                "/etc/ssh/ssh_host_ed25519_key.pub). If not, another machine may be answering on this address."
            )
        raise
    except HostUnreachable as error:
        if node is None:
            error.hint = "Check address, user and key: does ssh with the same ones log in? --key names a key file."
        raise
    except TaskFailed as error:
        if "sudo:" in error.message:
            error.hint = "Log in as root, allow sudo without a password, or leave --sudo out: facts will be missing."
        raise
    finally:
        door.close()


def _node(host: Host) -> NodeDoor | None:
    """Return the door to a node of the stack; None when the name is none of them."""
    if host.stack is None:
        return None
    from pvekit.adapters.nodessh import Nodes
    from pvekit.workflows.session import read_stack

    settings = read_stack(host.stack).host
    if settings is None or settings.ssh is None or host.name not in settings.ssh.nodes:
        return None
    return Nodes(settings.ssh).door(host.name)


def _door(host: Host) -> NodeDoor:
    from pvekit.adapters.nodessh import NodeDoor
    from pvekit.adapters.ssh import Target

    user, address, port = split_host(host.name)
    keys = pinned_keys(host, address, port)
    target = Target(host.name, address, port, user, keys, host.key or own_key(), attempt_seconds=_ATTEMPT_SECONDS)
    return NodeDoor(host.name, target, sudo=host.sudo and user != "root")


def split_host(text: str) -> tuple[str, str, int]:
    """Return user (root when none is named), address and port. Raises NotFound when it is no such text."""
    found = _HOST.fullmatch(text)
    port = int(found["port"] or "22") if found is not None else 0
    if found is None or not 0 < port < 65536:
        raise NotFound(
            f"{text!r} is no host",
            status=0,
            hint="Write [user@]address[:port], an IPv6 address in brackets: root@[2001:db8::2]:22. Or: local.",
        )
    return found["user"] or "root", found["six"] or found["name"], port


def pinned_keys(host: Host, address: str, port: int) -> tuple[HostKey, ...]:
    """Return the host keys that are accepted. Raises PreflightRefused when none is known."""
    from pvekit.adapters.knownhosts import known_files, known_keys
    from pvekit.adapters.sshkeys import parse_host_key

    if host.host_key:
        try:
            return (parse_host_key(host.host_key),)
        except ValueError as error:
            raise PreflightRefused([str(error)], hint="--host-key 'ssh-ed25519 AAAA…', as in a .pub file.") from error
    keys = known_keys(address, port, known_files())
    if not keys:
        at = "" if port == 22 else f"-p {port} "
        raise PreflightRefused(
            [f"the SSH host key of {address} is not known, and an unknown one is not accepted"],
            hint=f"Read it with: ssh-keyscan -t ed25519 {at}{address}\n"
            "  Compare it on the host's own console: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\n"
            "  Then give it with --host-key 'ssh-ed25519 AAAA…', or add the line to ~/.ssh/known_hosts.",
        )
    return keys


def own_key() -> Path | None:
    """Return the user's own key file; None leaves the login to the ssh-agent."""
    if os.environ.get("SSH_AUTH_SOCK"):
        return None
    files = (Path.home() / ".ssh" / name for name in _KEY_FILES)
    return next((file for file in files if file.exists()), None)


def refuse_existing(path: Path) -> None:
    """Refuse to write over what is there. Raises Conflict."""
    if path.exists():
        raise Conflict("is there already", status=0, where=str(path), hint="Name another file with -o, or remove it.")


def save(bundle: Bundle, path: Path, *, redact: bool = True) -> int:
    """Write a bundle and return the number of its files. Raises Conflict when there is something at ``path``."""
    from pvekit.adapters.bundle import LEFT_OUT, write_bundle

    refuse_existing(path)
    files = dict((redacted(bundle) if redact else bundle).files)
    if bundle.left_out:
        files[LEFT_OUT] = "".join(f"{name}: {why}\n" for name, why in sorted(bundle.left_out.items()))
    write_bundle(path, files)
    return len(files)


def redacted(bundle: Bundle) -> Bundle:
    """Return it without serial numbers, addresses, names and keys."""
    from pvekit.passthrough.redact import redact

    return replace(bundle, files=redact(bundle.files))
