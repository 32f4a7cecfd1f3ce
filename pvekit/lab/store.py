"""Small JSON documents on disk, kept in memory for reading.

Every write goes to a temporary file, is synced and renamed, so that a torn write loses nothing.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def write_atomic(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace the file's content as a whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Store:
    """One folder of JSON documents, each a file named after its key.

    Documents are handed out as they are: treat them as read-only and ``put`` a changed copy.
    """

    def __init__(self, folder: Path) -> None:
        """Read every document of the folder."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob(".*.tmp"):
            left_over.unlink(missing_ok=True)
        self._documents: dict[str, Any] = {
            _name(path): json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
        }
        self._lock = threading.RLock()

    def get(self, key: str) -> Any | None:
        """Return the document, None if there is none."""
        return self._documents.get(key)

    def put(self, key: str, document: Any) -> None:
        """Write the document."""
        with self._lock:
            write_atomic(self.folder / _file(key), json.dumps(document, ensure_ascii=False).encode())
            self._documents[key] = document

    def remove(self, key: str) -> None:
        """Forget the document."""
        with self._lock:
            (self.folder / _file(key)).unlink(missing_ok=True)
            self._documents.pop(key, None)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield every document with its key, as of now."""
        yield from list(self._documents.items())

    def __contains__(self, key: str) -> bool:
        return key in self._documents


def _file(key: str) -> str:
    return key.replace("%", "%25").replace("/", "%2F") + ".json"


def _name(path: Path) -> str:
    return path.stem.replace("%2F", "/").replace("%25", "%")
