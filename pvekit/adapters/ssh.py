"""SSH to guests and hosts, by paramiko. Only pinned host keys are accepted; there is no "trust on first use"."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self, cast

from pvekit.adapters.sshkeys import HostKey, HostKeyMismatch
from pvekit.model.errors import GuestNotReady, PvekitError, SecretUnavailable

# paramiko takes a quarter of a second to load: functions load it when a connection is really wanted.
if TYPE_CHECKING:
    import paramiko

# Without a handler, paramiko's thread prints tracebacks of every refused connection to standard error.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_PAUSES = (0.5, 1.0, 2.0, 3.0)
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True)
class Target:
    """A machine to log in to. ``host_keys`` are the pinned ones; without ``key_path`` the ssh-agent's keys are tried.

    ``attempt_seconds`` bounds each part of one attempt: connect, banner, key exchange, login. Emulated guests need
    many seconds for a key exchange.
    """

    name: str
    address: str
    port: int
    user: str
    host_keys: tuple[HostKey, ...]
    key_path: Path | None = None
    attempt_seconds: float = 60.0

    @property
    def where(self) -> str:
        """Return name, user, address and port, for messages."""
        return f"{self.name} ({self.user}@{self.address}:{self.port})"


@dataclass(frozen=True, slots=True)
class Completed:
    """What a command on the other machine gave: exit status, and both outputs as text."""

    rc: int
    out: str
    err: str


class Session:
    """An open connection, usable as a context manager. Made by ``connect`` and ``wait_ssh``."""

    def __init__(self, transport: paramiko.Transport, where: str) -> None:
        """Take over an authenticated transport."""
        self._transport = transport
        self._where = where

    def run(self, argv: Sequence[str], *, timeout: float = 60.0, stdin: bytes = b"") -> Completed:
        """Run a command and wait for it at most ``timeout`` seconds.

        SSH knows only command lines: ``argv`` is quoted here, once, so that no caller ever joins strings. Raises
        GuestNotReady when the connection breaks or the time is over.
        """
        import paramiko

        command = shlex.join(argv)
        try:
            with contextlib.closing(self._transport.open_session(timeout=timeout)) as channel:
                channel.settimeout(timeout)
                channel.exec_command(command)
                if stdin:
                    channel.sendall(stdin)
                channel.shutdown_write()
                return _collect(channel, time.monotonic() + timeout)
        except TimeoutError as error:
            raise GuestNotReady(
                f"{argv[0]} did not end within {timeout:.0f} s", where=self._where, hint="The guest may be overloaded."
            ) from error
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise GuestNotReady(
                f"the SSH connection broke while {argv[0]} ran: {_words(error)}",
                where=self._where,
                hint="Try again; when it repeats, look at the guest's console: pvekit console VM.",
            ) from error

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[tuple[IO[bytes], int]]:
        """Open a file for reading and give it with its size in bytes. Raises GuestNotReady when it cannot be read."""
        import paramiko

        try:
            with contextlib.ExitStack() as stack:
                sftp = paramiko.SFTPClient.from_transport(self._transport)
                # None only when the channel could not be opened, which raises before.
                assert sftp is not None  # noqa: S101
                stack.callback(sftp.close)
                size = sftp.stat(path).st_size or 0
                file = stack.enter_context(sftp.open(path, "rb"))
                yield cast("IO[bytes]", file), size
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise GuestNotReady(
                f"{path} cannot be read over SSH: {_words(error)}",
                where=self._where,
                hint="Is it there, and may this user read it? Is SFTP switched on in sshd_config?",
            ) from error

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._transport.close()

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close the connection."""
        self.close()


class _Refused(Exception):
    """One attempt failed in a way that may pass: nobody listens yet, no banner, login not accepted yet."""


class _Dropped(_Refused):
    """The other side took the connection and ended it before it said what it is: sshd is full, or starts or stops."""


def connect(target: Target, *, sleep: Callable[[float], None] = time.sleep) -> Session:
    """Open one connection. Only one that is dropped before the server's banner is tried again, for some seconds.

    Raises GuestNotReady, HostKeyMismatch (another key than the pinned ones), SecretUnavailable (unreadable key).
    """
    keys = _keys(target)
    for pause in _PAUSES:
        try:
            return _attempt(target, keys)
        except _Dropped:
            sleep(pause)
        except _Refused as error:
            raise _not_ready(target, str(error), "") from error
    try:
        return _attempt(target, keys)
    except _Refused as error:
        raise _not_ready(target, str(error), f" in {len(_PAUSES) + 1} attempts") from error


def wait_ssh(
    target: Target,
    deadline: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Session:
    """Try to log in until it works or ``clock()`` passes ``deadline`` (seconds on the monotonic clock).

    A refused login is tried again too: SSH answers before cloud-init has written the keys. Another host key than the
    pinned one ends the wait at once. Errors as in ``connect``.
    """
    started = clock()
    keys = _keys(target)
    for pause in _pauses():
        try:
            # An attempt started late must not outlast the deadline; one second is the least that makes sense.
            seconds = max(1.0, min(target.attempt_seconds, deadline - clock()))
            return _attempt(replace(target, attempt_seconds=seconds), keys)
        except _Refused as error:
            if clock() + pause >= deadline:
                waited = f" for {clock() - started:.0f} s"
                raise _not_ready(target, str(error), waited) from error
        sleep(pause)
    raise AssertionError("the pauses never end")  # pragma: no cover


def _pauses() -> Iterator[float]:
    """Give the growing pauses between attempts, in seconds, without end."""
    yield from _PAUSES
    while True:
        yield _PAUSES[-1]


def _not_ready(target: Target, why: str, waited: str) -> GuestNotReady:
    """Return the error for a guest that cannot be logged in to."""
    return GuestNotReady(
        f"no SSH login{waited}: {why}",
        where=target.where,
        hint="Look at the guest's console (pvekit console VM) and at what cloud-init said (pvekit logs VM).",
    )


def _keys(target: Target) -> list[paramiko.PKey]:
    """Return the keys to log in with: the file's, or all of the agent's."""
    import paramiko

    if target.key_path is None:
        keys: list[paramiko.PKey] = list(paramiko.Agent().get_keys())
        if not keys:
            raise SecretUnavailable(
                "no SSH key to log in with: the ssh-agent holds none",
                where=target.where,
                hint="Run ssh-add, or name a key file in the stack.",
            )
        return keys
    try:
        return [paramiko.PKey.from_path(target.key_path)]
    except (OSError, ValueError, TypeError, paramiko.SSHException, paramiko.pkey.UnknownKeyType) as error:
        raise SecretUnavailable(
            f"the SSH key cannot be read: {_words(error)}",
            where=str(target.key_path),
            hint="A key with a passphrase has to be loaded into the ssh-agent.",
        ) from error


def _attempt(target: Target, keys: Sequence[paramiko.PKey]) -> Session:
    """Connect, compare the host key, log in. Raises _Refused for what may pass, HostKeyMismatch for what must stop."""
    import paramiko

    try:
        raw = socket.create_connection((target.address, target.port), timeout=target.attempt_seconds)
    except OSError as error:
        raise _Refused(_words(error)) from error
    try:
        transport = paramiko.Transport(raw)
    except paramiko.SSHException as error:
        raw.close()
        raise _Refused(_words(error)) from error
    try:
        _handshake(transport, target)
        _login(transport, target, keys)
    except (paramiko.SSHException, OSError, EOFError) as error:
        transport.close()
        # What ended the banner is the error's context; silence ends it too, but in a time-out.
        ended = isinstance(error.__context__, EOFError | ConnectionResetError) and not transport.remote_version
        raise (_Dropped if ended else _Refused)(_words(error)) from error
    except (PvekitError, _Refused, KeyboardInterrupt):
        transport.close()
        raise
    return Session(transport, target.where)


def _handshake(transport: paramiko.Transport, target: Target) -> None:
    """Exchange keys, asking for the pinned kinds of host key only, and compare."""
    transport.banner_timeout = target.attempt_seconds
    transport.handshake_timeout = target.attempt_seconds
    transport.auth_timeout = target.attempt_seconds
    wanted: list[str] = []
    for key in target.host_keys:
        wanted.extend(_RSA_SIGNATURES if key.kind == "ssh-rsa" else (key.kind,))
    options = transport.get_security_options()
    # A kind that paramiko does not know would raise ValueError; one that the server lacks ends in a key mismatch.
    options.key_types = tuple(kind for kind in wanted if kind in options.key_types) or options.key_types
    transport.start_client(timeout=target.attempt_seconds)
    shown = transport.get_remote_server_key()
    actual = HostKey(shown.get_name(), shown.get_base64())
    if actual not in target.host_keys:
        raise HostKeyMismatch(target.where, target.host_keys, actual)


def _login(transport: paramiko.Transport, target: Target, keys: Sequence[paramiko.PKey]) -> None:
    """Offer the keys one after the other."""
    import paramiko

    for key in keys:
        try:
            left = transport.auth_publickey(target.user, key)
        except paramiko.AuthenticationException:
            continue
        if not left:
            return
    raise _Refused(f"the login of {target.user} was not accepted (is its public key in the guest?)")


def _collect(channel: paramiko.Channel, deadline: float) -> Completed:
    """Read both outputs side by side until the command ends; one alone could fill the other's window and hang."""
    out, err = bytearray(), bytearray()
    while True:
        ended = channel.exit_status_ready()
        while channel.recv_ready():
            out += channel.recv(65536)
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(65536)
        if ended and channel.eof_received and not channel.recv_ready() and not channel.recv_stderr_ready():
            break
        if channel.closed and not channel.recv_ready() and not channel.recv_stderr_ready():
            break
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)
    return Completed(channel.recv_exit_status(), out.decode(errors="replace"), err.decode(errors="replace"))


def _words(error: BaseException) -> str:
    """Return the error's own words; many of these errors have none."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
