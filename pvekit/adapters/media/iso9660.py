"""ISO 9660 (ECMA-119) with Joliet names, for reading."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pvekit.adapters.media.source import ByteSource, Extent, ExtentSource, damaged
from pvekit.adapters.media.tree import MAX_ENTRIES, MAX_FOLDER, Entry

SECTOR = 2048
FIRST_DESCRIPTOR = 16
# Real images have three or four volume descriptors.
_MAX_DESCRIPTORS = 32
_PRIMARY, _SUPPLEMENTARY, _LAST = 1, 2, 255
# Joliet, levels 1 to 3 (the escape sequences of UCS-2).
_JOLIET = (b"%/@", b"%/C", b"%/E")
_FOLDER_FLAG, _MORE_EXTENTS_FLAG = 2, 128


@dataclass(frozen=True, slots=True)
class _Record:
    """A directory record: its raw name, its flags and the stretch it points to."""

    name: bytes
    flags: int
    extent: Extent


class IsoVolume:
    """The names of one volume descriptor: plain ISO 9660 ones, or Joliet's."""

    def __init__(self, source: ByteSource, descriptor: bytes, *, joliet: bool) -> None:
        """Read the label and the top folder's place. Raises ImageInvalid."""
        self._source = source
        self._encoding = "utf-16-be" if joliet else "latin-1"
        self.kind = "Joliet" if joliet else "ISO 9660"
        self.label = descriptor[40:72].decode(self._encoding, errors="replace").rstrip(" \0")
        (block,) = struct.unpack_from("<H", descriptor, 128)
        if block != SECTOR:
            raise damaged(f"its blocks have {block} bytes instead of {SECTOR}")
        (blocks,) = struct.unpack_from("<I", descriptor, 80)
        if blocks * SECTOR > source.size:
            raise damaged(f"it is cut off: {source.size} of {blocks * SECTOR} bytes are there")
        record = _record(descriptor, 156)
        if record is None:
            raise damaged("its top folder is missing")
        self._root = record.extent

    def root(self) -> list[Entry]:
        """Return the entries of the top folder."""
        return self._list(ExtentSource(self._source, (self._root,), self._root.length))

    def entries(self, folder: Entry) -> list[Entry]:
        """Return the entries of a folder."""
        return self._list(folder.open())

    def _list(self, folder: ByteSource) -> list[Entry]:
        """Read a folder; records of one file that has several stretches follow one another."""
        if folder.size > MAX_FOLDER:
            raise damaged(f"a folder of {folder.size} bytes")
        data = folder.read_at(0, folder.size)
        entries: list[Entry] = []
        pending: tuple[Extent, ...] = ()
        for record in _records(data):
            if record.name in (b"\0", b"\1"):
                continue
            pending = (*pending, record.extent)
            if record.flags & _MORE_EXTENTS_FLAG:
                if len(pending) > 64:
                    raise damaged("a file in more than 64 pieces")
                continue
            entries.append(self._entry(record, pending))
            pending = ()
        return entries

    def _entry(self, record: _Record, extents: tuple[Extent, ...]) -> Entry:
        name = record.name.decode(self._encoding, errors="replace").partition(";")[0]
        name = name if self.kind == "Joliet" else name.rstrip(".")
        size = sum(extent.length for extent in extents)
        return Entry(name, bool(record.flags & _FOLDER_FLAG), lambda: ExtentSource(self._source, extents, size))


def read_volumes(source: ByteSource) -> list[IsoVolume]:
    """Return the Joliet volume, if there is one, then the plain one; empty for what is not ISO 9660."""
    primary: list[IsoVolume] = []
    joliet: list[IsoVolume] = []
    for number in range(_MAX_DESCRIPTORS):
        offset = (FIRST_DESCRIPTOR + number) * SECTOR
        if offset + SECTOR > source.size:
            break
        descriptor = source.read_at(offset, SECTOR)
        if descriptor[1:6] != b"CD001" or descriptor[0] == _LAST:
            break
        if descriptor[0] == _PRIMARY and not primary:
            primary.append(IsoVolume(source, descriptor, joliet=False))
        elif descriptor[0] == _SUPPLEMENTARY and descriptor[88:91] in _JOLIET and not joliet:
            joliet.append(IsoVolume(source, descriptor, joliet=True))
    return joliet + primary


def _records(data: bytes) -> list[_Record]:
    """Return the records of a folder; none crosses a sector, what is left of a sector is zero (6.8.1.1)."""
    records: list[_Record] = []
    offset = 0
    while offset < len(data):
        if data[offset] == 0:
            offset = (offset // SECTOR + 1) * SECTOR
            continue
        record = _record(data, offset)
        if record is None or len(records) >= MAX_ENTRIES:
            raise damaged("a folder whose entries make no sense")
        records.append(record)
        offset += data[offset]
    return records


def _record(data: bytes, offset: int) -> _Record | None:
    """Read one directory record (9.1); None when it is not one."""
    length = data[offset]
    if length < 34 or offset + length > len(data):
        return None
    extended, block, size, flags, name_length = struct.unpack_from("<xBI4xI4x7xB6xB", data, offset)
    if 33 + name_length > length:
        return None
    name = data[offset + 33 : offset + 33 + name_length]
    return _Record(name, flags, Extent((block + extended) * SECTOR, size))
