"""Somebody else's websocket, in one thread.

The library's own client for threads reads TLS in one and writes in another, which OpenSSL does not allow.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol


class Socket:
    """An open websocket. Errors are those of the library."""

    def __init__(self, url: str, authority: str, headers: Mapping[str, str], protocols: tuple[str, ...] = ()) -> None:
        """Open it; ``authority`` is the file of the certificate that is trusted."""
        self._loop = asyncio.new_event_loop()
        context = ssl.create_default_context(cafile=authority)
        offered = [Subprotocol(name) for name in protocols] or None

        async def opened() -> None:
            self._socket = await connect(
                url, ssl=context, additional_headers=headers, subprotocols=offered, proxy=None, ping_interval=None
            )

        try:
            self._loop.run_until_complete(opened())
        except BaseException:
            self._loop.close()
            raise

    def recv(self, timeout: float) -> str | bytes:
        """Return the next message."""
        return self._loop.run_until_complete(asyncio.wait_for(self._socket.recv(), timeout))

    def send(self, data: bytes) -> None:
        """Send one message."""
        self._loop.run_until_complete(self._socket.send(data))

    def __enter__(self) -> Self:
        """Use it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._loop.run_until_complete(self._socket.close())
        self._loop.close()
