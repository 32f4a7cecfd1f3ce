"""Opens a stack file and the PVE it speaks of. ``host: lab`` (or --lab) starts the embedded node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pvekit import guests
from pvekit.adapters import pve as api
from pvekit.adapters.secrets import kept, resolve
from pvekit.adapters.stackfile import load_stack
from pvekit.model.stack import Parallel, SecretRef, Stack
from pvekit.model.stack.secret import KEPT
from pvekit.workflows.places import kept_secret, lab_state


@dataclass(frozen=True, slots=True)
class Session:
    """An open stack. ``folder`` is where its relative paths start, ``token_id`` who asks (token or user).

    ``login`` gives user and password for steps that no token may do; None when there is none. ``offline``: answers
    come from a recording, and nothing else can be asked.
    """

    stack: Stack
    folder: Path
    pve: api.Pve
    parallel: Parallel
    token_id: str
    lab: bool
    login: Callable[[], api.Login] | None = None
    offline: bool = False

    @property
    def by_token(self) -> bool:
        """Return whether an API token asks, not a login."""
        return "!" in self.token_id

    @contextmanager
    def as_root(self) -> Iterator[api.Pve]:
        """Open the same PVE with the login's ticket instead of the token. Raises AuthFailed without a login."""
        if not self.by_token or self.login is None:
            yield self.pve
            return
        with api.Pve.open(replace(self.pve.endpoint, token=None, login=self.login())) as pve:
            yield pve

    def secret(self, ref: SecretRef) -> str:
        """Return the text of a secret. Raises SecretUnavailable."""
        if ref.kind == KEPT:
            return kept(kept_secret(ref.value)).reveal()
        return resolve(ref, folder=self.folder).reveal()


def read_stack(path: Path) -> Stack:
    """Return the stack in a file. Raises StackInvalid with every mistake."""
    return load_stack(path, guests.kinds())


@contextmanager
def open_session(path: Path, *, lab: bool = False, on_request: api.client.OnRequest | None = None) -> Iterator[Session]:
    """Open a stack and its PVE; nothing is sent before the first read."""
    stack = read_stack(path)
    folder = path.absolute().parent
    in_lab = lab or stack.host is None
    endpoint, login = _lab() if in_lab else _host(stack, folder)
    parallel = stack.host.parallel if stack.host is not None and not in_lab else Parallel()
    who = endpoint.token.id if endpoint.token else endpoint.login.user if endpoint.login else ""
    with api.Pve.open(endpoint, on_request=on_request) as pve:
        yield Session(stack, folder, pve, parallel, who, in_lab, login)


_Way = tuple[api.Endpoint, Callable[[], api.Login] | None]


def _lab() -> _Way:
    from pvekit.lab import control

    node = control.start(lab_state())
    token = api.Token(node.token_id, node.token_secret)
    endpoint = api.Endpoint((node.endpoint,), api.Trust((node.fingerprint,)), token)
    return endpoint, lambda: api.Login("root@pam", node.password)


def _host(stack: Stack, folder: Path) -> _Way:
    host = stack.host
    assert host is not None  # noqa: S101 - asked for only when the stack names a host

    def text(ref: SecretRef) -> str:
        return resolve(ref, folder=folder).reveal()

    known = host.login
    login = (lambda: api.Login(known.user, text(known.password))) if known is not None else None
    fields: dict[str, Any] = {}
    if host.token is not None:
        fields["token"] = api.Token(host.token.id, text(host.token.secret))
    # The password is only asked for when there is no token: most runs never need it.
    elif login is not None:
        fields["login"] = login()
    endpoint = api.Endpoint(
        host.endpoints,
        api.Trust(host.fingerprints),
        connect_timeout=host.timeouts.connect_s,
        read_timeout=host.timeouts.read_s,
        **fields,
    )
    return endpoint, login
