"""Files onto a storage, and away from it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pvekit.adapters.pve.client import Pve
from pvekit.adapters.pve.session import Form

Progress = Callable[[int, int], None]
"""Told bytes sent so far and bytes in all."""

_PIECE = 256 * 1024


class _File:
    """A file among a form's parameters, streamed; opened again for every try."""

    def __init__(self, path: Path, filename: str, progress: Progress | None) -> None:
        self._path = path
        self._filename = filename
        self._progress = progress

    def form(self, name: str, fields: Mapping[str, Any]) -> Form:
        """Return the multipart form: PVE wants the file as its last part."""
        boundary = secrets.token_hex(16)
        head = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
            for key, value in fields.items()
        )
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{self._filename}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        size = self._path.stat().st_size
        return Form(
            f"multipart/form-data; boundary={boundary}", len(head) + size + len(tail), self._pieces(head, tail, size)
        )

    def _pieces(self, head: bytes, tail: bytes, size: int) -> Iterator[bytes]:
        yield head
        sent = 0
        with self._path.open("rb") as source:
            while sent < size:
                piece = source.read(min(_PIECE, size - sent))
                if not piece:
                    raise OSError(f"{self._path} became shorter while it was sent")
                yield piece
                sent += len(piece)
                if self._progress is not None:
                    self._progress(sent, size)
        yield tail

    def __str__(self) -> str:
        """Return the file's name, for hooks and messages."""
        return self._filename


def upload(
    pve: Pve,
    node: str,
    storage: str,
    path: Path,
    *,
    content: str,
    sha256: str,
    filename: str = "",
    progress: Progress | None = None,
) -> str:
    """Send a file to a storage (``content``: iso, import or vztmpl) and return the UPID of the copying task.

    PVE compares ``sha256`` before the file appears under ``filename``. An existing file is replaced.
    """
    name = filename or path.name
    if any(sign in name for sign in '"/\\\r\n'):
        raise ValueError(f"not a file name that PVE takes: {name!r}")
    wanted = {
        "content": content,
        "checksum-algorithm": "sha256",
        "checksum": sha256,
        "filename": _File(path, name, progress),
    }
    return str(pve.request("POST", f"/nodes/{node}/storage/{storage}/upload", wanted))


def download_url(
    pve: Pve,
    node: str,
    storage: str,
    url: str,
    *,
    content: str,
    filename: str,
    checksum: str,
    algorithm: str = "sha256",
) -> str:
    """Let the server fetch a file; returns the UPID. With the right checksum an existing file is good at once."""
    wanted = {
        "url": url,
        "content": content,
        "filename": filename,
        "checksum": checksum,
        "checksum-algorithm": algorithm,
    }
    return str(pve.request("POST", f"/nodes/{node}/storage/{storage}/download-url", wanted))


def delete_volume(pve: Pve, node: str, volid: str) -> str:
    """Delete a volume (``local:iso/seed.iso``); returns the UPID, empty if PVE needed no task."""
    store = volid.partition(":")[0]
    return str(pve.delete(f"/nodes/{node}/storage/{store}/content/{volid}") or "")
