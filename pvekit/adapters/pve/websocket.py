"""A websocket to a VM's console, over the same trust and login as everything else."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import InvalidHandshake
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from pvekit.adapters.pve.client import API, Pve
from pvekit.model.errors import ApiError

MAX_MESSAGE = 1 << 20
"""Bytes of the longest message taken; PVE sends at most 128 KiB at once."""


def open_websocket(
    pve: Pve,
    path: str,
    ticket: Mapping[str, Any],
    stack: contextlib.ExitStack,
    *,
    where: str,
    hint: str,
    timeout: float,
) -> ClientConnection:
    """Open the ``vncwebsocket`` that a ``termproxy`` or ``vncproxy`` at ``path`` gave a ticket for.

    ``stack`` closes it. HostUnreachable without a connection, ApiError with ``hint`` if the server refuses.
    """
    secure, host, port, headers = pve.dial()
    stack.callback(secure.close)
    target = f"{API}{path}/vncwebsocket?" + urlencode({"port": ticket["port"], "vncticket": ticket["ticket"]})
    try:
        # TLS is done already (and its certificate checked): the websocket library gets a ready stream.
        return stack.enter_context(
            connect(
                f"ws://{_bracket(host)}:{port}{target}",
                sock=secure,
                additional_headers=dict(headers),
                subprotocols=[Subprotocol("binary")],
                compression=None,
                proxy=None,
                open_timeout=timeout,
                ping_interval=None,
                max_size=MAX_MESSAGE,
            )
        )
    except (OSError, InvalidHandshake) as error:
        raise ApiError(
            f"the server does not open the console: {error.__class__.__name__}", status=0, where=where, hint=hint
        ) from error


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host
