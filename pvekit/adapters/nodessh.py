"""SSH to the nodes themselves, as root, for the few things that PVE's API has no words for.

Only pinned host keys are accepted. Commands are argument lists; scripts are fixed texts of pvekit with arguments.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from pvekit.adapters import hostscript, ssh
from pvekit.adapters.ssh import Completed, Target
from pvekit.adapters.sshkeys import HostKeyMismatch, parse_host_key
from pvekit.model.errors import Conflict, GuestNotReady, HostUnreachable, PreflightRefused, TaskFailed
from pvekit.model.nodelook import NodeLook, parse, sha256
from pvekit.model.stack.home import HostSsh, SshNode

KEPT = PurePosixPath("/var/lib/pvekit/kept")
"""Where a node keeps what a file was before pvekit wrote it."""
_CHANGED = 9
_ATTEMPT_SECONDS = 15.0


def kept_copy(path: str) -> str:
    """Return where the earlier content of a file is kept on the node."""
    return str(KEPT / path.strip("/").replace("%", "%25").replace("/", "%2F"))


class NodeDoor:
    """One node, as root. Safe for several threads; the connection is made when first needed."""

    def __init__(self, node: str, target: Target, *, sudo: bool) -> None:
        """Keep the way to the node; nothing is sent yet."""
        self.node = node
        self._target = target
        self._sudo = ("sudo", "-n", "--") if sudo else ()
        self._lock = threading.Lock()
        self._session: ssh.Session | None = None

    def attempt(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 120.0) -> Completed:
        """Run a command and return how it ended. Raises HostUnreachable, HostKeyMismatch, SecretUnavailable."""
        session = self._connected()
        try:
            return session.run([*self._sudo, *argv], timeout=timeout, stdin=stdin)
        except GuestNotReady as error:
            raise HostUnreachable(
                error.message, where=self._target.where, hint="Run the same command again: it continues where it was."
            ) from error

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 120.0) -> str:
        """Run a command that has to go well and return its output. Raises TaskFailed with its last words."""
        done = self.attempt(argv, stdin=stdin, timeout=timeout)
        if done.rc != 0:
            words = (done.err.strip() or done.out.strip()).splitlines()[-5:]
            raise TaskFailed(
                f"{' '.join(argv[:4])} ended with {done.rc}" + "".join(f"\n  {line}" for line in words),
                where=self.node,
                hint=f"Try it by hand on the node: ssh {self._target.user}@{self._target.address}",
            )
        return done.out

    def script(self, name: str, arguments: Sequence[str] = (), *, timeout: float = 120.0) -> str:
        """Run a script of templates/host that takes no input. Errors as in ``run``."""
        return self.run(["sh", "-s", "--", *arguments], stdin=hostscript.text(name), timeout=timeout)

    def look(self, by_ids: Sequence[str] = ()) -> NodeLook:
        """Return what is there; one round trip. Raises TaskFailed when the answer cannot be read."""
        text = self.script("look.sh", by_ids)
        try:
            return parse(self.node, text)
        except ValueError as error:
            raise TaskFailed(
                f"what the node answered cannot be read: {error}",
                where=self.node,
                hint="Does a login script of root print something? It has to be silent.",
            ) from error

    def put(self, path: str, text: str, *, seen: str, keep: bool, mode: str = "644") -> None:
        """Write a file in one step. ``seen`` is the digest that the plan saw, ``keep`` keeps what was there.

        Raises Conflict when it was changed meanwhile.
        """
        arguments = [path, mode, seen, sha256(text), kept_copy(path) if keep else "-"]
        # The text comes on standard input, so the script itself has to be an argument.
        argv = ["sh", "-c", hostscript.text("put.sh").decode(), "put.sh", *arguments]
        self._written(path, self.attempt(argv, stdin=text.encode()))

    def take(self, path: str, *, seen: str) -> None:
        """Remove a file and put back what was there before it. Raises Conflict when it was changed meanwhile."""
        argv = ["sh", "-s", "--", path, seen, kept_copy(path)]
        self._written(path, self.attempt(argv, stdin=hostscript.text("take.sh")))

    def set_values(self, paths: Sequence[str], value: str) -> None:
        """Write one value into settings below /sys or /proc. Raises TaskFailed."""
        self.run(["tee", "--", *paths], stdin=f"{value}\n".encode())

    @contextmanager
    def open(self, path: str) -> Iterator[tuple[IO[bytes], int]]:
        """Open a file of the node for reading and give it with its size in bytes. Raises HostUnreachable."""
        session = self._connected()
        try:
            with session.open(path) as found:
                yield found
        except GuestNotReady as error:
            raise HostUnreachable(error.message, where=self._target.where, hint=error.hint) from error

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _written(self, path: str, done: Completed) -> None:
        if done.rc == 0:
            return
        why = done.err.strip() or f"the script ended with {done.rc}"
        if done.rc == _CHANGED:
            raise Conflict(why, status=0, where=self.node, hint="Look at the file, then run the same command again.")
        raise TaskFailed(f"cannot write {path}: {why}", where=self.node, hint="Check the node's disk and permissions.")

    def _connected(self) -> ssh.Session:
        with self._lock:
            if self._session is None:
                self._session = self._connect()
            return self._session

    def _connect(self) -> ssh.Session:
        try:
            return ssh.connect(self._target)
        except HostKeyMismatch as error:
            error.hint = (
                f"If the node was installed again, compare its key on its own console (ssh-keygen -lf "
                f"/etc/ssh/ssh_host_ed25519_key.pub) and write it to host: ssh: nodes: {self.node}: host_key. If not, "
                "another machine may be answering on this address."
            )
            raise
        except GuestNotReady as error:
            raise HostUnreachable(
                error.message,
                where=self._target.where,
                hint="Check host: ssh: in the stack file, and that the public key is in root's authorized_keys there.",
            ) from error


class Nodes:
    """The nodes of a stack's ``host: ssh:``. Use it as a context manager; it closes what was opened."""

    def __init__(self, settings: HostSsh) -> None:
        """Keep the settings; nothing is opened yet."""
        key = Path(settings.key).expanduser() if settings.key is not None else None
        sudo = settings.user != "root"
        self._doors = {
            name: NodeDoor(name, _target(name, settings.user, node, key), sudo=sudo)
            for name, node in settings.nodes.items()
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Return the nodes that can be reached."""
        return tuple(self._doors)

    def door(self, node: str) -> NodeDoor:
        """Return the door to one node. Raises PreflightRefused when the stack file does not say how to reach it."""
        if node not in self._doors:
            raise PreflightRefused(
                [f"no SSH to the node {node}"],
                hint=f"Add it under host: ssh: nodes: {{{node}: {{address: …, host_key: …}}}}",
            )
        return self._doors[node]

    def __enter__(self) -> Self:
        """Return the nodes themselves."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close every connection."""
        for door in self._doors.values():
            door.close()


def _target(name: str, user: str, node: SshNode, key: Path | None) -> Target:
    pinned = (parse_host_key(node.host_key),)
    return Target(name, node.address, node.port, user, pinned, key, attempt_seconds=_ATTEMPT_SECONDS)
