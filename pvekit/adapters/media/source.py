"""Where the bytes of an image come from: a local file, a file on a host, a stretch of either.

Nothing here trusts what it reads. All readers of this room sit behind a ``Meter``, which ends a hostile image that
sends them round in circles.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from pvekit.model.errors import ImageInvalid

_DAMAGED = "The image is damaged or not complete: compare its sha256 with the publisher's and fetch it again."


class ByteSource(Protocol):
    """Bytes that can be read from any place. ``size`` is in bytes.

    ``read_at`` gives fewer bytes than asked for only at the end. It may raise OSError.
    """

    @property
    def size(self) -> int:
        """Return the size in bytes."""
        ...

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``."""
        ...


class FileSource:
    """An open file (local or SFTP) as a source. One reader at a time; others wait."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        """Take an open, seekable file of ``size`` bytes; the caller closes it."""
        self._file = file
        self._lock = threading.Lock()
        self.size = size

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``."""
        with self._lock:
            self._file.seek(offset)
            return self._file.read(length)


class BytesSource:
    """Bytes in memory as a source."""

    def __init__(self, data: bytes) -> None:
        """Keep the bytes."""
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``."""
        return self._data[offset : offset + length]


@contextmanager
def open_source(path: Path) -> Iterator[FileSource]:
    """Open a local image. Raises ImageInvalid when it cannot be read."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ImageInvalid(
            f"cannot be read: {error.strerror or error}", where=str(path), hint="Check the path in the stack file."
        ) from error
    with file:
        yield FileSource(file, file.seek(0, 2))


def damaged(what: str, hint: str = _DAMAGED) -> ImageInvalid:
    """Return the error for an image that does not hold what it promises."""
    return ImageInvalid(what, hint=hint)


class Meter:
    """A source with a limit on what is read from it in all, and whole answers only.

    ``used`` counts the bytes and ``reads`` the calls so far. Every read must lie inside the source.
    """

    def __init__(self, source: ByteSource, *, bytes_limit: int, reads_limit: int = 20_000) -> None:
        """Watch ``source``."""
        self._source = source
        self._bytes_limit = bytes_limit
        self._reads_limit = reads_limit
        self.size = source.size
        self.used = 0
        self.reads = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly ``length`` bytes from ``offset``. Raises ImageInvalid."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise damaged(f"it points to byte {offset + length}, but it ends at byte {self.size}")
        self.used += length
        self.reads += 1
        if self.used > self._bytes_limit or self.reads > self._reads_limit:
            raise damaged("its folders are larger than those of any real image")
        try:
            data = self._source.read_at(offset, length)
        except OSError as error:
            raise damaged(f"cannot be read: {error.strerror or error}", "Check the disk or the connection.") from error
        if len(data) != length:
            raise damaged(f"only {len(data)} of {length} bytes could be read at {offset}")
        return data


@dataclass(frozen=True, slots=True)
class Extent:
    """A stretch of a file: ``offset`` in the image in bytes (None: zeros that nobody wrote down), and its length."""

    offset: int | None
    length: int


class ExtentSource:
    """A file inside an image: its stretches, one after another."""

    def __init__(self, source: ByteSource, extents: tuple[Extent, ...], size: int) -> None:
        """Take the stretches, which together hold at least ``size`` bytes. Raises ImageInvalid."""
        self._source = source
        self._extents = extents
        self.size = size
        for extent in extents:
            if extent.offset is not None and extent.offset + extent.length > source.size:
                end = extent.offset + extent.length
                raise damaged(f"it is cut off: a file reaches to byte {end}, the image ends at byte {source.size}")
        if sum(extent.length for extent in extents) < size:
            raise damaged(f"a file of {size} bytes has fewer bytes in the image")

    def read_at(self, offset: int, length: int) -> bytes:
        """Return up to ``length`` bytes from ``offset``."""
        parts = []
        end = min(offset + length, self.size)
        start = 0
        for extent in self._extents:
            low, high = max(offset, start), min(end, start + extent.length)
            if low < high:
                place = extent.offset
                parts.append(
                    bytes(high - low) if place is None else self._source.read_at(place + low - start, high - low)
                )
            start += extent.length
        return b"".join(parts)
