"""Reading the header of a GGUF file, which anybody may have written: bounded in time and memory, whatever it says.

The form is that of ggml's docs/gguf.md, versions 2 and 3, little endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from pvekit.model.errors import PvekitError
from pvekit.model.ggml import BY_NUMBER
from pvekit.model.gguf import GgufFile, Long, Scalar, Tensor, Value

Fetch = Callable[[int, int], bytes]
"""Gives bytes from an offset; fewer only at the end of the file."""

_MOST_HEADER = 64 * 2**20
_MOST_KEY = 65_535
_MOST_TEXT = 4 * 2**20
_MOST_TEXTS = 8 * 2**20
"""Of all texts that are kept, together: chat templates are far shorter."""
_MOST_ENTRIES = 65_536
_MOST_TENSORS = 65_536
_MOST_KEPT = 4096
"""Entries of an array that are kept; vocabularies are longer, lists of one entry per layer are not."""
_MOST_LISTED = 2**19
"""Entries of all arrays that are kept, together."""
_PIECE = 2**20
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _ARRAY = 8, 9
_LEAST_ENTRY, _LEAST_TENSOR = 13, 32


class GgufInvalid(PvekitError):
    """A file that is no GGUF, is cut off, or contradicts itself. ``where`` is the file and the byte."""

    code = 17


class GgufCut(GgufInvalid):
    """A file that ends before its header says so: what is left of a download that broke off."""


def read(path: Path) -> GgufFile:
    """Read the header of a file. Raises GgufInvalid, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:

        def fetch(offset: int, length: int) -> bytes:
            file.seek(offset)
            return file.read(length)

        return parse(fetch, size, str(path))


def parse(fetch: Fetch, size: int | None, where: str) -> GgufFile:
    """Read a header through ``fetch``. ``size`` is the whole file's, None where nobody knows. Raises GgufInvalid."""
    cursor = _Cursor(fetch, size, where)
    magic = cursor.take(4)
    if magic != b"GGUF":
        raise cursor.wrong(f"no GGUF file: it begins with {magic!r}", at=0)
    version = cursor.unsigned(4)
    if version not in (2, 3):
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        raise cursor.wrong("GGUF of a big-endian machine" if swapped in (2, 3) else f"GGUF version {version}", at=4)
    tensors, entries = cursor.unsigned(8), cursor.unsigned(8)
    cursor.room_for(entries, _LEAST_ENTRY, "entries of metadata", _MOST_ENTRIES)
    cursor.room_for(tensors, _LEAST_TENSOR, "tensors", _MOST_TENSORS)
    metadata: dict[str, Value] = {}
    for _ in range(entries):
        begin = cursor.at
        key = cursor.text(_MOST_KEY, "key")
        if key in metadata:
            raise cursor.wrong(f"{key} is there twice", at=begin)
        metadata[key] = cursor.value(cursor.unsigned(4), key)
    found = _tensors(cursor, tensors)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > 2**20:
        raise cursor.wrong(f"general.alignment is {alignment}: it has to be a power of two", at=cursor.at)
    data = -(-cursor.at // alignment) * alignment
    for tensor in found:
        if tensor.offset % alignment:
            raise cursor.wrong(f"the data of {tensor.name} is not aligned to {alignment} bytes", at=cursor.at)
        if size is not None and data + tensor.offset + tensor.bytes > size:
            raise GgufCut(
                f"cut off: the data of {tensor.name} ends at byte {data + tensor.offset + tensor.bytes}, "
                f"and the file has {size}",
                where=f"{where}, byte {size}",
                hint="Download it again; a download can be resumed.",
            )
    return GgufFile(where, version, metadata, found, data, size)


def _tensors(cursor: _Cursor, count: int) -> tuple[Tensor, ...]:
    found: dict[str, Tensor] = {}
    for _ in range(count):
        begin = cursor.at
        name = cursor.text(_MOST_KEY, "name of a tensor")
        dimensions = cursor.unsigned(4)
        if not 1 <= dimensions <= 4:
            raise cursor.wrong(f"{name} has {dimensions} dimensions", at=begin)
        shape = tuple(cursor.unsigned(8) for _ in range(dimensions))
        number, offset = cursor.unsigned(4), cursor.unsigned(8)
        kind = BY_NUMBER.get(number)
        if kind is None:
            raise cursor.wrong(f"{name} has type {number}, which this version of pvekit does not know", at=begin)
        if name in found:
            raise cursor.wrong(f"{name} is there twice", at=begin)
        if any(not 0 < length < 2**40 for length in shape) or shape[0] % kind.block:
            raise cursor.wrong(f"{name} cannot have the shape {list(shape)} in {kind.name}", at=begin)
        tensor = Tensor(name, shape, number, offset)
        if tensor.bytes >= 2**48 or offset >= 2**48:
            raise cursor.wrong(f"{name} would take {tensor.bytes} bytes at {offset}", at=begin)
        found[name] = tensor
    return tuple(found.values())


class _Cursor:
    """Goes through the header; what lies behind it is fetched in pieces as it comes."""

    def __init__(self, fetch: Fetch, size: int | None, where: str) -> None:
        self._fetch = fetch
        self._size = size
        self._where = where
        self._held = b""
        self._start = 0
        self._texts = _MOST_TEXTS
        self._listed = _MOST_LISTED
        self.at = 0

    def wrong(self, what: str, *, at: int) -> GgufInvalid:
        return GgufInvalid(
            what, where=f"{self._where}, byte {at}", hint="Is it a GGUF file of a language model, and whole?"
        )

    def cut(self, end: int) -> GgufCut:
        return GgufCut(
            f"cut off: the header goes on beyond byte {end}", where=f"{self._where}, byte {self.at}",
            hint="Is it a GGUF file, and whole? Download it again; a download can be resumed.",
        )  # fmt: skip

    def take(self, length: int) -> bytes:
        begin = self.at - self._start
        if begin + length > len(self._held):
            if self.at + length > _MOST_HEADER:
                raise self.wrong(f"the header is longer than {_MOST_HEADER // 2**20} MiB", at=self.at)
            self._held = self._fetch(self.at, max(length, _PIECE))
            self._start, begin = self.at, 0
        found = self._held[begin : begin + length]
        if len(found) < length:
            raise self.cut(self.at + len(found))
        self.at += length
        return found

    def unsigned(self, length: int) -> int:
        return int.from_bytes(self.take(length), "little")

    def room_for(self, count: int, least: int, what: str, most: int | None = None) -> None:
        """Refuse a count that what is left of the file cannot hold, or that is beyond all reason."""
        left = (_MOST_HEADER if self._size is None else min(self._size, _MOST_HEADER)) - self.at
        if count * least > left:
            raise self.wrong(f"{count} {what} do not fit into what is left of the file", at=self.at)
        if most is not None and count > most:
            raise self.wrong(f"{count} {what}: more than {most} are not read", at=self.at)

    def text(self, most: int, what: str) -> str:
        begin = self.at
        length = self.unsigned(8)
        if length > most:
            raise self.wrong(f"a {what} of {length} bytes", at=begin)
        self._texts -= length
        if self._texts < 0:
            raise self.wrong(f"the texts of the header are longer than {_MOST_TEXTS // 2**20} MiB", at=begin)
        return self.take(length).decode(errors="replace")

    def value(self, number: int, key: str) -> Value:
        if number != _ARRAY:
            return self._scalar(number, key)
        begin = self.at
        inner, count = self.unsigned(4), self.unsigned(8)
        if inner == _ARRAY:
            raise self.wrong(f"{key} is an array of arrays", at=begin)
        letter = _FORMATS.get(inner)
        if letter is None and inner != _TEXT:
            raise self.wrong(f"{key} is an array of type {inner}", at=begin)
        width = 8 if letter is None else struct.calcsize(f"<{letter}")
        self.room_for(count, width, f"entries of {key}")
        if count <= _MOST_KEPT:
            self._listed -= count
            if self._listed < 0:
                raise self.wrong(f"the lists of the header have more than {_MOST_LISTED} entries", at=begin)
            return tuple(self._scalar(inner, key) for _ in range(count))
        if letter is not None:
            self._skip(count * width)
        else:
            for _ in range(count):
                self.take_text()
        return Long(count)

    def take_text(self) -> None:
        begin = self.at
        length = self.unsigned(8)
        if length > _MOST_TEXT:
            raise self.wrong(f"a text of {length} bytes", at=begin)
        self._skip(length)

    def _skip(self, length: int) -> None:
        """Go on without reading; what is not there is noticed by the next read, or here where the size is known."""
        if self._size is not None and self.at + length > self._size:
            raise self.cut(self._size)
        if self.at + length > _MOST_HEADER:
            raise self.wrong(f"the header is longer than {_MOST_HEADER // 2**20} MiB", at=self.at)
        self.at += length
        if self.at > self._start + len(self._held):
            self._held, self._start = b"", self.at

    def _scalar(self, number: int, key: str) -> Scalar:
        begin = self.at
        if number == _TEXT:
            return self.text(_MOST_TEXT, f"text of {key}")
        letter = _FORMATS.get(number)
        if letter is None:
            raise self.wrong(f"{key} has type {number}, which does not exist", at=begin)
        found: Scalar = struct.unpack(f"<{letter}", self.take(struct.calcsize(f"<{letter}")))[0]
        return found
