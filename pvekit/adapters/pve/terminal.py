"""A VM's serial console: PVE's termproxy through a websocket, over the same trust as everything else."""

from __future__ import annotations

import contextlib
from types import TracebackType

from pvekit.adapters.pve.client import Pve
from pvekit.adapters.pve.websocket import WebSocket, WebSocketClosed, open_websocket
from pvekit.model.errors import ApiError, HostUnreachable

KEEPALIVE = 30.0
"""Seconds of silence after which ``keep_alive`` should be sent (termproxy drops silent clients)."""


class Console:
    """Both directions of a console. ``recv`` and ``send`` may be used from two threads."""

    def __init__(self, connection: WebSocket) -> None:
        """Use ``console``."""
        self._connection = connection
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Console:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the console."""
        self.close()

    def recv(self, timeout: float | None = None) -> bytes | None:
        """Return what the guest wrote; None when ``timeout`` seconds pass; empty bytes once the console is closed."""
        try:
            return self._connection.recv(timeout)
        except TimeoutError:
            return None
        except WebSocketClosed:
            return b""

    def send(self, data: bytes) -> None:
        """Type UTF-8 text into the console. HostUnreachable once it is closed."""
        text = data.decode("utf-8", "replace")
        self._frame(f"0:{len(text.encode())}:{text}")

    def resize(self, columns: int, rows: int) -> None:
        """Tell the console how large the window is."""
        self._frame(f"1:{columns}:{rows}:")

    def keep_alive(self) -> None:
        """Say that somebody is still here."""
        self._frame("2")

    def close(self) -> None:
        """Leave the console; the VM goes on."""
        self._stack.close()

    def log_in(self, line: str, where: str, timeout: float) -> None:
        """Present the ticket. ApiError if termproxy does not take it."""
        with contextlib.suppress(WebSocketClosed):
            self._connection.send(line)
        greeting = self.recv(timeout)
        if not greeting or not greeting.startswith(b"OK"):
            raise ApiError(
                "the console did not accept its ticket",
                status=0,
                where=where,
                hint="Some versions of PVE open consoles for a login only, not for a token: give user and password.",
            )

    def keep(self, stack: contextlib.ExitStack) -> None:
        """Take over what is to be closed at the end."""
        self._stack = stack

    def _frame(self, text: str) -> None:
        try:
            self._connection.send(text)
        except WebSocketClosed as error:
            raise HostUnreachable("the console was closed by the server", hint="Open it again.") from error


def console(pve: Pve, node: str, vmid: int, *, timeout: float = 15.0) -> Console:
    """Open the serial console of a running VM that has ``serial0``.

    HostUnreachable without a connection, ApiError if the server refuses the console.
    """
    path = f"/nodes/{node}/qemu/{vmid}"
    # Not to be repeated blindly: each call starts a termproxy, though one without a client ends by itself.
    ticket = pve.request("POST", f"{path}/termproxy", repeatable=True)
    where = f"console of VM {vmid}"
    hint = "Does the VM run and have serial0, and may the token do VM.Console?"
    with contextlib.ExitStack() as stack:
        opened = Console(open_websocket(pve, path, ticket, stack, where=where, hint=hint, timeout=timeout))
        opened.log_in(f"{ticket['user']}:{ticket['ticket']}\n", where, timeout)
        opened.keep(stack.pop_all())
    return opened
