"""Writes small ISO images (cloud-init seeds, answer files). Equal input gives equal bytes.

The images carry Rock Ridge names (Linux) and Joliet names (Windows), and UDF names where wanted (Windows Setup takes
UDF first). pycdlib stamps the wall clock, in the local time zone, into every directory entry; ``_freeze_dates`` and
``freeze_udf`` replace the stamps, so that an image can be named by its digest.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from pvekit.adapters.iso_udf import freeze_udf

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
# 1 January 2000, 00:00 UTC, in the three forms of ECMA-119 (8.4.26.1, 9.1.5).
_VOLUME_DATE = b"2000010100000000\x00"
_NO_DATE = b"0" * 16 + b"\x00"
_RECORD_DATE = bytes([100, 1, 1, 0, 0, 0, 0])


def write_iso(files: Mapping[str, bytes], label: str, *, udf: bool = False) -> bytes:
    """Return an ISO image of ``files`` (path inside the image, content) with the volume ``label``.

    ``udf`` adds UDF 1.02 names, as on Windows media. Contents are kept once, whatever names lead to them. Raises
    ValueError for a label of more than 16 characters (Joliet's limit is 16, ISO 9660's 32), a path part of more than
    64, and two paths that Windows cannot tell apart.
    """
    from pycdlib import PyCdlib

    if not 1 <= len(label) <= 16:
        raise ValueError(f"ISO label {label!r} must have 1 to 16 characters")
    if len({name.casefold() for name in files}) != len(files):
        raise ValueError("two paths of an ISO image differ in upper and lower case only")
    iso = PyCdlib()
    # Level 3 with plain made-up ISO names: nobody reads those, every system uses Rock Ridge, Joliet or UDF.
    # What pycdlib calls 2.60 is UDF 1.02 on the disc: NSR02, domain 1.02, no metadata partition.
    iso.new(interchange_level=3, vol_ident=label, joliet=3, rock_ridge="1.09", udf="2.60" if udf else None)
    try:
        folders: dict[PurePosixPath, str] = {PurePosixPath("/"): ""}
        for number, name in enumerate(sorted(files)):
            path = PurePosixPath("/") / name
            _check(path)
            for folder in reversed(path.parents):
                if folder not in folders:
                    folders[folder] = f"{folders[folder.parent]}/D{len(folders):07d}"
                    iso.add_directory(
                        folders[folder],
                        rr_name=folder.name,
                        joliet_path=str(folder),
                        udf_path=str(folder) if udf else None,
                        file_mode=0o040555,
                    )
            content = files[name]
            iso.add_fp(
                io.BytesIO(content),
                len(content),
                f"{folders[path.parent]}/F{number:07d}.;1",
                rr_name=path.name,
                joliet_path=str(path),
                udf_path=str(path) if udf else None,
                file_mode=0o100444,
            )
        out = io.BytesIO()
        iso.write_fp(out)
    finally:
        iso.close()
    # In place: an answer ISO has some 40 MB, and each copy would cost as much again.
    with out.getbuffer() as image:
        _freeze_dates(image)
        if udf:
            freeze_udf(image, _digest(files, label))
    return out.getvalue()


def _digest(files: Mapping[str, bytes], label: str) -> str:
    """Return 16 digits that stand for the content, for the one field of UDF that should be unique."""
    digest = hashlib.sha256(label.encode())
    for name in sorted(files):
        digest.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:16]


def _check(path: PurePosixPath) -> None:
    """Refuse a path that Joliet cannot hold or that leaves the image."""
    for part in path.parts[1:]:
        if part == ".." or len(part) > 64:
            raise ValueError(f"{path} cannot be stored in an ISO image")


def _freeze_dates(image: memoryview) -> None:
    """Replace every date in the image by a fixed one."""
    sector = _FIRST_DESCRIPTOR
    while image[sector * _SECTOR] != 255:
        start = sector * _SECTOR
        if image[start] in (1, 2):
            # Creation and modification, expiration, effective (ECMA-119 8.4.26 to 8.4.29).
            image[start + 813 : start + 881] = _VOLUME_DATE * 2 + _NO_DATE * 2
            _freeze_record(image, start + 156)
            location, size = _extent(image, start + 156)
            _freeze_folder(image, location, size)
        sector += 1


def _freeze_folder(image: memoryview, location: int, size: int) -> None:
    """Freeze the records of one folder and of the folders below it."""
    for number, offset in enumerate(_records(image, location, size)):
        _freeze_record(image, offset)
        # The first two records are the folder itself and its parent.
        if number > 1 and image[offset + 25] & 2:
            _freeze_folder(image, *_extent(image, offset))


def _records(image: memoryview, location: int, size: int) -> Iterator[int]:
    """Give the offset of every directory record; a record never crosses a sector, the rest is zero (6.8.1.1)."""
    offset, end = location * _SECTOR, location * _SECTOR + size
    while offset < end:
        length = image[offset]
        if length:
            yield offset
            offset += length
        else:
            offset = (offset // _SECTOR + 1) * _SECTOR


def _extent(image: memoryview, record: int) -> tuple[int, int]:
    """Return the sector and the size in bytes that a directory record points to."""
    location, size = struct.unpack_from("<I4xI", image, record + 2)
    return int(location), int(size)


def _freeze_record(image: memoryview, record: int) -> None:
    """Freeze the date of one directory record and its Rock Ridge time stamps."""
    image[record + 18 : record + 25] = _RECORD_DATE
    name_length = image[record + 32]
    start = record + 33 + name_length + (1 - name_length % 2)
    _freeze_system_use(image, start, record + image[record])


def _freeze_system_use(image: memoryview, start: int, end: int) -> None:
    """Freeze the TF entries of a system use area, following its continuation (SUSP 5.1, RRIP 4.1.6)."""
    while start + 4 <= end and image[start + 2] >= 4:
        kind, length = bytes(image[start : start + 2]), image[start + 2]
        if kind == b"TF" and not image[start + 4] & 0x80:
            image[start + 5 : start + length] = _RECORD_DATE * ((length - 5) // 7)
        elif kind == b"CE":
            block, offset, size = struct.unpack_from("<I4xI4xI", image, start + 4)
            begin = block * _SECTOR + offset
            _freeze_system_use(image, begin, begin + size)
        start += length
