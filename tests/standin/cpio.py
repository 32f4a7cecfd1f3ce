"""Writes the archive that the kernel unpacks into memory at its start (cpio, "newc")."""

from __future__ import annotations

from pathlib import PurePosixPath

_FOLDER, _FILE, _LINK, _DEVICE = 0o040755, 0o100755, 0o120777, 0o020600
EMPTY_FOLDERS = ("c", "cd", "dev", "proc", "sys", "run", "tmp", "root", "etc", "agent", "var/run", "modules")


def archive(files: dict[str, bytes | str]) -> bytes:
    """Return the archive of files (bytes) and links (text: the target), all owned by root."""
    out = bytearray()
    folders = {str(parent) for name in files for parent in PurePosixPath(name).parents if str(parent) != "."}
    for parent in (PurePosixPath(name) for name in EMPTY_FOLDERS):
        folders |= {str(each) for each in (parent, *parent.parents) if str(each) != "."}
    for number, name in enumerate(sorted(folders), 1):
        out += _entry(name, _FOLDER, b"", number)
    out += _entry("dev/console", _DEVICE, b"", len(folders) + 1, (5, 1))
    for number, (name, content) in enumerate(sorted(files.items()), len(folders) + 2):
        data = content.encode() if isinstance(content, str) else content
        out += _entry(name, _LINK if isinstance(content, str) else _FILE, data, number)
    return bytes(out + _entry("TRAILER!!!", 0, b"", 0)).ljust((len(out) + 1023) // 512 * 512, b"\0")


def _entry(name: str, mode: int, data: bytes, number: int, device: tuple[int, int] = (0, 0)) -> bytes:
    encoded = name.encode() + b"\0"
    values = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
    head = b"070701" + b"".join(b"%08X" % value for value in values) + encoded
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
