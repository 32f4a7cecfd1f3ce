"""Reads a request's body: a form, JSON, or a multipart upload that goes straight to disk."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl

from pvekit.lab.call import Upload
from pvekit.lab.errors import Refused, broken

FORM_LIMIT = 4 << 20
CHUNK = 256 << 10


def pairs(text: str) -> dict[str, Any]:
    """Return a query or form; what comes several times is a list."""
    found: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        if key in found:
            found[key] = [*found[key], value] if isinstance(found[key], list) else [found[key], value]
        else:
            found[key] = value
    return found


class Bounded:
    """The body of one request: reads no further than it goes."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        """Start before the first byte."""
        self._stream = stream
        self.left = length

    def read(self, size: int) -> bytes:
        """Return up to this many bytes; fewer only at the end."""
        part = self._stream.read(min(size, self.left))
        self.left = self.left - len(part) if part else 0
        return part

    def drain(self) -> None:
        """Step over the rest, so that the connection can be used again."""
        while self.left:
            self.read(CHUNK)


def read_body(body: Bounded, headers: Mapping[str, str], spool: Path) -> tuple[dict[str, Any], Upload | None]:
    """Return the parameters in the body and the uploaded file, if there is one."""
    if not body.left:
        return {}, None
    kind = headers.get("Content-Type", "")
    if kind.startswith("multipart/form-data"):
        return _multipart(body, kind, spool)
    if body.left > FORM_LIMIT:
        raise Refused(413, "Request Entity Too Large")
    text = body.read(body.left).decode("utf-8", errors="replace")
    if kind.startswith("application/json"):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as wrong:
            raise broken(f"{wrong.msg}, at character offset {wrong.pos}") from wrong
        if not isinstance(found, dict):
            raise broken("malformed JSON: an object is needed")
        return found, None
    return pairs(text), None


class _Reader:
    """Reads a body up to a mark."""

    def __init__(self, body: Bounded) -> None:
        self.body = body
        self.buffer = b""

    def _more(self) -> bool:
        part = self.body.read(CHUNK)
        self.buffer += part
        return bool(part)

    def until(self, mark: bytes, sink: Any) -> None:
        """Hand everything before the mark to the sink and step over the mark."""
        while (place := self.buffer.find(mark)) < 0:
            keep = len(mark) - 1
            if len(self.buffer) > keep:
                sink(self.buffer[:-keep])
                self.buffer = self.buffer[-keep:]
            if not self._more():
                raise broken("upload ended too early")
        sink(self.buffer[:place])
        self.buffer = self.buffer[place + len(mark) :]

    def text(self, mark: bytes) -> str:
        """Return everything before the mark as text."""
        parts = bytearray()
        self.until(mark, parts.extend)
        return parts.decode("utf-8", errors="replace")

    def starts(self, mark: bytes) -> bool:
        """Return whether the mark is next."""
        while len(self.buffer) < len(mark) and self._more():
            pass
        return self.buffer.startswith(mark)


def _multipart(body: Bounded, kind: str, spool: Path) -> tuple[dict[str, Any], Upload | None]:
    match = re.search(r'boundary="?([^";]+)"?', kind)
    if match is None:
        raise broken("multipart upload without a boundary")
    boundary = b"--" + match[1].encode()
    reader = _Reader(body)
    reader.text(boundary)
    found: dict[str, Any] = {}
    upload: Upload | None = None
    try:
        while not reader.starts(b"--"):
            head = reader.text(b"\r\n\r\n")
            name = re.search(r'[; ]name="([^"]*)"', head)
            file = re.search(r'filename="([^"]*)"', head)
            if file is None:
                found[name[1] if name else ""] = reader.text(b"\r\n" + boundary)
            else:
                upload = _spooled(reader, b"\r\n" + boundary, file[1], spool)
                found["filename"] = file[1]
        body.drain()
    except Refused:
        if upload is not None:
            upload.path.unlink(missing_ok=True)
        raise
    return found, upload


def _spooled(reader: _Reader, mark: bytes, filename: str, spool: Path) -> Upload:
    spool.mkdir(parents=True, exist_ok=True)
    path = spool / f"upload-{secrets.token_hex(16)}"
    try:
        with path.open("wb") as stream:
            reader.until(mark, stream.write)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Upload(path, filename, path.stat().st_size)
